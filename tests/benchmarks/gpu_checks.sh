#!/usr/bin/env bash
# Everything that needs an NVIDIA GPU, in one go: the CUDA tests, the benchmark, the trace of the overlap.
# Results go to the folder given, by default ./gpu.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-gpu}
mkdir -p "$out"
python -m pytest -m needs_cuda -rs | tee "$out/tests.txt"
python -m exdnet_plugin.cli.main bench network --device cuda --size 1080p --size 4K --runs 20 --json "$out/network.json"
python -m exdnet_plugin.cli.main bench pipeline --device cuda --json "$out/pipeline.json"
python tests/benchmarks/overlap_trace.py "$out/overlap.json"
