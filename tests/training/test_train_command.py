"""`exdnet train` as its users run it: killed, gone on with, with the paper's losses, and given what it cannot use."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from exdnet_plugin import whole_file
from exdnet_plugin.exdnet.checkpoint import load_weights
from exdnet_plugin.exdnet.exposures import RELLISUR_CONSTANTS
from exdnet_plugin.training import loop

Run = Callable[..., tuple[int, str, str]]
SMALL = ["--batch", "2", "--size", "32"]


def refused(result: tuple[int, str, str], *said: str) -> None:
    code, _, error = result
    assert (code, "Traceback" in error) == (2, False)
    last = error.strip().splitlines()[-1]
    assert last.startswith("exdnet: ")
    for part in said:
        assert part in last


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX are needed")
@pytest.mark.parametrize("kind", [[], ["--plain"]])
def test_training_killed_at_any_time_goes_on_and_ends_where_it_would_have(
    exdnet: Run, pairs: Path, tmp_path: Path, kind: list[str]
) -> None:
    options = [*SMALL, *kind, "--validate-every", "100", "--checkpoint-every", "4", "--steps", "12"]
    assert exdnet("train", pairs, "--run", tmp_path / "whole", *options)[0] == 0
    killed = tmp_path / "killed"
    command = [sys.executable, "-m", "exdnet_plugin", "train", str(pairs), "--run", str(killed), *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while not (killed / "checkpoint.pth").exists():
        time.sleep(0.02)
    process.kill()
    process.wait()
    code, out, _ = exdnet("train", pairs, "--run", killed, *options)
    assert code == 0
    assert "step 0 of" not in out
    assert (tmp_path / "whole" / "best.safetensors").read_bytes() == (killed / "best.safetensors").read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX are needed")
@pytest.mark.parametrize("workers", ["0", "1"])
def test_ctrl_c_saves_the_step_under_way_and_says_how_to_go_on(
    exdnet: Run, pairs: Path, tmp_path: Path, workers: str
) -> None:
    options = [*SMALL, "--run", str(tmp_path), "--steps", "100000", "--workers", workers]
    command = [sys.executable, "-m", "exdnet_plugin", "train", str(pairs), *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout
    while "step 50:" not in process.stdout.readline():
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to every process of the command
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.strip().startswith("exdnet: stopped; step ")
    step = int(error.split("step ")[1].split(" of")[0])
    assert torch.load(tmp_path / "checkpoint.pth", weights_only=True)["step"] == step >= 50
    refused(exdnet("train", pairs, *SMALL, "--run", tmp_path, "--steps", "10"), f"is at step {step}", "give more")


def test_a_run_leaves_curve_samples_and_lines(exdnet: Run, pairs: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    code, out, _ = exdnet("train", pairs, "--run", run, *SMALL, "--steps", "50", "--validate-every", "25")
    assert code == 0
    assert "left" in out
    assert f"exdnet=weights={run / 'best.safetensors'}" in out
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "validation" in row] == [25, 50]
    assert {"loss", "l1", "ssim", "whole", "seconds_left"} <= rows[-2].keys() | rows[-1].keys()
    for name in ("curve.png", "samples.jpg"):
        assert cv2.imread(str(run / name)) is not None


def test_without_matplotlib_there_is_no_curve_and_one_line_says_so(
    exdnet: Run, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, _, error = exdnet("train", pairs, "--run", tmp_path, *SMALL, "--steps", "4", "--validate-every", "2")
    assert code == 0
    assert error.count("no curve.png") == 1


def test_a_torn_line_of_metrics_does_not_end_a_run(exdnet: Run, pairs: Path, tmp_path: Path) -> None:
    options = ["train", pairs, "--run", tmp_path, *SMALL, "--validate-every", 2, "--steps"]
    assert exdnet(*options, 2)[0] == 0
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "los\n')
    assert exdnet(*options, 4)[0] == 0


def test_a_run_does_not_go_on_as_another_one(exdnet: Run, pairs: Path, tmp_path: Path) -> None:
    options = ["train", pairs, "--run", tmp_path, "--size", 32, "--steps", 3]
    assert exdnet(*options, "--batch", 2)[0] == 0
    refused(exdnet(*options, "--batch", 3), "started with batch 2 instead of 3", "another --run")
    refused(exdnet(*options, "--batch", 2, "--exposures", "rellisur"), "started with exposures lol instead of rellisur")
    code, out, _ = exdnet(*options, "--batch", 2, "--from", "default", "--checkpoint-every", 2)
    assert code == 0
    assert "--from default is where it started" in out
    refused(exdnet(*options, "--batch", 2, "--plain"), "instead of None", "another --run")
    plain = [*options[:3], tmp_path / "plain", *options[4:], "--plain", "--batch", 2]
    assert exdnet(*plain)[0] == 0
    refused(exdnet(*plain, "--checkpoint-every", 2), "checkpoint_every 200 instead of 2")
    refused(exdnet(*plain, "--losses", "paper"), "losses l1 1.0 instead of 0, losses smooth_l1 0.0 instead of 1")


def test_a_run_does_not_go_on_with_other_pictures(exdnet: Run, pairs: Path, tmp_path: Path) -> None:
    options = ["--run", tmp_path / "run", "--size", 32, "--steps", 2, "--batch", 2]
    assert exdnet("train", pairs, *options)[0] == 0
    moved = pairs.rename(pairs.with_name("moved"))
    assert exdnet("train", moved, *options)[0] == 0
    for folder in ("low", "high"):
        (moved / folder / "7.png").unlink()
    refused(exdnet("train", moved, *options), "started with data 7 + 1 pairs", "instead of 6 + 1", "another --run")


def test_two_processes_do_not_train_in_one_folder(exdnet: Run, pairs: Path, tmp_path: Path) -> None:
    options = ["train", pairs, "--run", tmp_path, *SMALL, "--steps", 2]
    script = "import sys; from pathlib import Path; from exdnet_plugin.lock import lock; "
    script += f"held = lock(Path({str(tmp_path / 'lock')!r}), forked=True); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        refused(exdnet(*options), "another process trains there")
        other.communicate(b"")
    assert exdnet(*options)[0] == 0


def test_small_frames_are_of_one_size(exdnet: Run, pairs: Path, tmp_path: Path) -> None:
    options = ["train", pairs, "--run", tmp_path / "run", "--small", "default", "--batch", 2, "--steps", 2]
    for folder in ("low", "high"):
        cv2.imwrite(str(pairs / folder / "3.png"), np.full((40, 50, 3), 9, np.uint8))
    refused(exdnet(*options), "3.png is 50x40", "96x64", "--small takes pictures of one size")


def test_processes_that_cannot_be_forked_are_refused(
    exdnet: Run, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exdnet_plugin.training.loading.get_all_start_methods", lambda: ["spawn"])
    refused(exdnet("train", pairs, "--run", tmp_path, *SMALL, "--workers", 1), "--workers 1", "take 0")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked where there is fork")
def test_small_frames_are_learnt_with_processes_too(exdnet: Run, pairs: Path, tmp_path: Path) -> None:
    options = ["--small", "default", "--from", "default", "--batch", 2, "--steps", 2, "--workers", 1]
    assert exdnet("train", pairs, "--run", tmp_path, *options)[0] == 0


def test_processes_make_the_same_batches_as_a_thread(exdnet: Run, pairs: Path, tmp_path: Path) -> None:
    for name, workers in {"thread": 0, "processes": 2}.items():
        options = [*SMALL, "--steps", "5", "--workers", workers]
        assert exdnet("train", pairs, "--run", tmp_path / name, *options)[0] == 0
    assert (tmp_path / "thread/last.safetensors").read_bytes() == (tmp_path / "processes/last.safetensors").read_bytes()


def test_the_papers_losses_run_and_the_discriminator_goes_on(exdnet: Run, pairs: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    vgg = tmp_path / "vgg16.pth"
    torch.save(_vgg16(), vgg)
    options = ["--losses", "paper", "--vgg", vgg, *SMALL, "--exposures", "rellisur", "--plain"]
    for run, steps in (("whole", [4]), ("halves", [2, 4])):
        for last in steps:
            assert exdnet("train", pairs, "--run", tmp_path / run, *options, "--steps", last)[0] == 0
    weights = load_weights(str(tmp_path / "whole/last.safetensors"))
    assert weights.constants == RELLISUR_CONSTANTS
    state = torch.load(tmp_path / "halves/checkpoint.pth", weights_only=True)
    assert state["objective"]["network"]
    assert (tmp_path / "whole/last.safetensors").read_bytes() == (tmp_path / "halves/last.safetensors").read_bytes()
    code, _, error = exdnet("train", pairs, "--run", tmp_path / "no", *options[:2], *SMALL, "--steps", 1)
    assert code == 0
    assert "perceptual and style losses are left out" in error


def _vgg16() -> dict[str, torch.Tensor]:
    widths = {0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256), 12: (256, 256), 14: (256, 256)}
    widths |= {17: (256, 512), 19: (512, 512), 21: (512, 512)}
    state = {}
    for index, (before, after) in widths.items():
        state[f"features.{index}.weight"] = torch.randn(after, before, 3, 3) * 0.05
        state[f"features.{index}.bias"] = torch.zeros(after)
    return state


def _steep(loss: torch.Tensor) -> torch.Tensor:
    """The same loss, with an infinite slope."""
    return loss + (loss.detach() - loss).clamp(min=0).sqrt()


@pytest.mark.parametrize(
    ("spoiled", "said"), [(lambda loss: loss * float("nan"), "loss is nan at step 4"), (_steep, "the gradient is")]
)
def test_a_loss_or_gradient_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(
    exdnet: Run,
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoiled: Callable[[torch.Tensor], torch.Tensor],
    said: str,
) -> None:
    options = ["train", pairs, "--run", tmp_path, *SMALL, "--checkpoint-every", 1, "--steps"]
    assert exdnet(*options, 4)[0] == 0
    good = (tmp_path / "checkpoint.pth").read_bytes()
    weighted = loop.Objective.__call__

    def weighted_otherwise(self: loop.Objective, *arguments: Any) -> Any:
        loss, terms = weighted(self, *arguments)
        return spoiled(loss), terms

    monkeypatch.setattr(loop.Objective, "__call__", weighted_otherwise)
    refused(exdnet(*options, 8), said, "at step 4", "checkpoint.pth holds the last good step")
    assert (tmp_path / "checkpoint.pth").read_bytes() == good


def test_a_full_disk_ends_the_run_and_the_checkpoint_stays_whole(
    exdnet: Run, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["train", pairs, "--run", tmp_path, *SMALL, "--checkpoint-every", 2, "--steps"]
    assert exdnet(*options, 2)[0] == 0
    good = (tmp_path / "checkpoint.pth").read_bytes()

    def full(hidden: Path, path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(whole_file, "replace_whole", full)
    refused(exdnet(*options, 4), "No space left on device", "free some space")
    assert (tmp_path / "checkpoint.pth").read_bytes() == good
    assert not list(tmp_path.glob(".*"))


def test_training_refuses_what_it_cannot_use(exdnet: Run, pairs: Path, tmp_path: Path) -> None:
    run = ["--run", tmp_path / "run", "--steps", "1", "--size", "32"]
    refused(exdnet("train"), "DATA, or --low and --high is missing")
    refused(exdnet("train", tmp_path), "has no paired folders")
    refused(exdnet("train", pairs, *run[:-1], "65"), "0.png is 96x64, smaller than a crop of 65 pixels", "--size")
    refused(exdnet("train", pairs, *run, "--vgg", tmp_path / "vgg.pth"), "is for the paper's losses")
    refused(exdnet("train", pairs, *run, "--small", "default", "--bright", pairs / "high"), "is not for --small")
    refused(exdnet("train", pairs, *run, "--plain", "--bright", pairs / "high"), "is not for --plain")
    refused(exdnet("train", pairs, *run, "--hold-out", "pictures"), "take --hold-out views")
    refused(exdnet("train", pairs, *run, "--bright", tmp_path), "holds no pictures")
    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((20, 20, 3), np.uint8))
    refused(exdnet("train", pairs, *run, "--bright", tmp_path), "small.png is 20x20, smaller than a crop of 32")
    torch.save([1], tmp_path / "list.pth")
    paper = [*run, "--losses", "paper", "--vgg"]
    refused(exdnet("train", pairs, *paper, tmp_path / "list.pth"), "holds list, no state dict")
    (tmp_path / "vgg.pth").write_text("no VGG")
    refused(exdnet("train", pairs, *run, "--losses", "paper", "--vgg", tmp_path / "vgg.pth"), "cannot be read as a VGG")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "checkpoint.pth").write_text("no checkpoint")
    refused(exdnet("train", pairs, "--run", tmp_path / "broken"), "cannot be gone on from", "--run")
    cv2.imwrite(str(pairs / "low" / "2.png"), np.zeros((9, 9, 3), np.uint8))
    refused(exdnet("train", pairs, *run), "2.png is 9x9", "a pair needs one size")
    (pairs / "low" / "2.png").write_text("no picture")
    refused(exdnet("train", pairs, *run), "2.png is not a picture")
    (pairs / "low" / "2.png").unlink()
    refused(exdnet("train", pairs, *run), "no partner", "2")
    for path in [*pairs.glob("*/*.png")]:
        path.unlink()
    refused(exdnet("train", pairs, *run), "no name in common", "(0 pictures)")
    refused(exdnet("train", tmp_path / "nowhere", *run), "is no folder")
    refused(exdnet("train", pairs, "--learning-rate", "-1", *run), "-1")
