"""A run's curve: losses and validation metrics over steps, as a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from exdnet_plugin.training.loop import METRICS
from exdnet_plugin.whole_file import whole_file

CURVE = "curve.png"
_NOT_TERMS = {"step", "seconds_left", "validation"}


def draw_curve(folder: Path) -> None:
    """`curve.png` of a run's folder from its `metrics.jsonl`; a run that went on from a checkpoint is drawn once.

    Raises:
        ImportError: matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    losses, found = _rows(folder / METRICS)
    figure = Figure(figsize=(9, 8), layout="constrained")
    upper, middle, lower = figure.subplots(3, sharex=True)
    for name in sorted({key for row in losses for key in row} - _NOT_TERMS):
        some = [row for row in losses if name in row]
        upper.plot([row["step"] for row in some], [row[name] for row in some], label=name, linewidth=1)
    upper.set(yscale="log", ylabel="losses")
    if losses:
        upper.legend(fontsize="x-small", ncols=4)
    for axes, name, label in ((middle, "psnr", "validation PSNR, dB"), (lower, "ssim", "validation SSIM")):
        axes.plot([row["step"] for row in found], [row["validation"][name] for row in found], "o-", markersize=3)
        axes.set(ylabel=label)
        axes.grid(alpha=0.3)
    lower.set(xlabel="step")
    with whole_file(folder / CURVE) as hidden:
        figure.savefig(hidden, dpi=110)


def _rows(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Lines of losses and of validations by step: of a step that was run again after a kill, the last."""
    losses, found = dict[int, dict[str, Any]](), dict[int, dict[str, Any]]()
    for line in path.read_text().splitlines():
        try:
            row = json.loads(line)
        except ValueError:  # torn by a power cut or a full disk
            continue
        (found if "validation" in row else losses)[row["step"]] = row
    return [losses[step] for step in sorted(losses)], [found[step] for step in sorted(found)]
