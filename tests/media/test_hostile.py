"""Hostile and broken files: no crash, no hang, no unbounded memory, always a clear line.

A few hundred cases run by default; `EXDNET_FUZZ=5000 pytest tests/media/test_hostile.py` runs as many of each kind.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import MakeClip
from facts_sources import metadata, sound, with_extra

CASES = int(os.environ.get("EXDNET_FUZZ", "80"))
SECONDS_A_CASE = 20
MEMORY = 6 << 30  # of addresses: torch alone maps 2-3 GiB

CHILD = """
import resource, signal, sys, time, traceback
from pathlib import Path
import numpy as np
resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
sys.path[:0] = PATHS
from mutations import mutated
from exdnet_plugin import enhance_video
from exdnet_plugin.errors import ExdnetError
from exdnet_plugin.exdnet.checkpoint import load_weights
from exdnet_plugin.pipeline.work import work_folder

source, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
whole, folder = source.read_bytes(), source.parent
for number in range(first, first + count):
    broken = folder / f"broken{source.suffix}"
    broken.write_bytes(mutated(whole, source.suffix, np.random.default_rng(number)))
    print("case", number, flush=True)
    signal.alarm(SECONDS)
    sink = folder / "out.mkv"
    try:
        if source.suffix in (".safetensors", ".pth"):
            load_weights(str(broken))
        elif source.suffix == ".manifest":
            sink.unlink(missing_ok=True)
            work = work_folder(sink)
            work.mkdir(exist_ok=True)
            (work / "manifest.safetensors").write_bytes(broken.read_bytes())
            (work / "video.packets").write_bytes((folder / "video.packets").read_bytes())
            enhance_video(folder / "in.mp4", sink, chain="null", resume=True)
        else:
            enhance_video(broken, sink, chain="null", overwrite=True, codec="ffv1")
    except (ExdnetError, ValueError) as error:
        assert str(error) and "\\n" not in str(error), repr(str(error))
    signal.alarm(0)
print("done")
"""


def run_cases(source: Path, first: int = 0) -> None:
    code = CHILD.replace("PATHS", repr([str(Path(__file__).parent)])).replace("SECONDS", str(SECONDS_A_CASE))
    code = code.replace("MEMORY", str(MEMORY))
    done = subprocess.run(
        [sys.executable, "-c", code, str(source), str(first), str(CASES)], capture_output=True, text=True
    )
    last = done.stdout.split("\n")[-2:]
    assert done.returncode == 0, f"{last}, exit {done.returncode}:\n{done.stderr[-3000:]}"
    assert done.stdout.endswith("done\n")


def everything(container: object, stream: object) -> object:
    metadata(container, stream)
    return sound("aac")(container, stream)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_broken_videos_end_in_a_clear_line(tmp_path: Path, suffix: str) -> None:
    run_cases(with_extra(suffix, everything)(tmp_path))  # type: ignore[arg-type]


def test_broken_manifests_end_in_a_clear_line(make_clip: MakeClip, tmp_path: Path) -> None:
    from exdnet_plugin import enhance_video
    from exdnet_plugin.pipeline.segments import SEGMENT
    from exdnet_plugin.pipeline.work import work_folder

    def stop(done: int, _: int | None) -> None:
        if done == SEGMENT + 1:
            raise KeyboardInterrupt

    source, sink = make_clip("in.mp4", frames=SEGMENT + 4), tmp_path / "out.mkv"
    with pytest.raises(KeyboardInterrupt):
        enhance_video(source, sink, chain="null", progress=stop, on_stop="keep")
    work = work_folder(sink)
    (work / "manifest.safetensors").rename(tmp_path / "in.manifest")
    (work / "video.packets").rename(tmp_path / "video.packets")
    run_cases(tmp_path / "in.manifest")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_broken_checkpoints_end_in_a_clear_line(tmp_path: Path, suffix: str) -> None:
    import torch

    from exdnet_plugin.exdnet.checkpoint import load_weights, weights_path

    path = tmp_path / f"in{suffix}"
    if suffix == ".pth":
        torch.save(load_weights("default").state, path)
    else:
        path.write_bytes(weights_path("default").read_bytes())
    run_cases(path)
