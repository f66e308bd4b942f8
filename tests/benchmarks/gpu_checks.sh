#!/usr/bin/env bash
# Everything that needs an NVIDIA GPU, in one go: the CUDA tests, speed and added error against the goals, the
# benchmarks, the trace of the overlap. Results go to the folder given, by default ./gpu. A failed test stops nothing,
# but is the exit status.
set -uo pipefail
cd "$(dirname "$0")/../.."
out=${1:-gpu}
mkdir -p "$out"
failed=0
step() {
    echo "== $1"
    "${@:2}" 2>&1 | tee "$out/$1.txt" || failed=1
}
step tests python -m pytest -m needs_cuda -rs -s
step speed python tests/benchmarks/gpu_speed.py "$out/speed.json"
step network python -m exdnet_plugin bench network --device cuda:0 --size 1080p --size 4K --runs 20 --json "$out/network.json"
step pipeline python -m exdnet_plugin bench pipeline --device cuda:0 --json "$out/pipeline.json"
step overlap python tests/benchmarks/overlap_trace.py "$out/overlap.json"
echo "== goals"
grep -E "MISSED|: met" "$out/speed.txt"
grep -h "CUDA graph\|engine torch, which is slower\|out of memory" "$out"/*.txt
exit $failed
