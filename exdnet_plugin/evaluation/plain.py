"""An evaluation as plain lines, for a terminal."""

from __future__ import annotations

from exdnet_plugin.evaluation.results import SIDES, Evaluation, Row, cell

VALUE = 10  # characters of a figure


def lines(evaluation: Evaluation) -> list[str]:
    """A line a picture and the means; of a video, whose rows are many, the means alone."""
    if evaluation.unit == "frames":
        return [*_means(evaluation), _of_video(evaluation)]
    if "before" in evaluation.mean:
        return [*(_both(evaluation, row) for row in evaluation.rows), *_means(evaluation)]
    return [*map(_pair, evaluation.rows), _pair_mean(evaluation)]


def _pair(row: Row) -> str:
    return (
        f"{row['name']:>12}  {row['psnr']:6.2f} dB  SSIM {row['ssim']:.4f}  chroma {row['chroma_ratio']:.2f}  "
        f"ΔE2000 {row['delta_e']:5.2f}"
    )


def _pair_mean(evaluation: Evaluation) -> str:
    mean = evaluation.mean
    return (
        f"mean of {len(evaluation.rows)}: {mean['psnr']:.2f} dB, SSIM {mean['ssim']:.4f}, chroma ratio "
        f"{mean['chroma_ratio']:.2f}, ΔE2000 {mean['delta_e']:.2f}; before, {mean['psnr_before']:.2f} dB"
    )


def _both(evaluation: Evaluation, row: Row) -> str:
    return f"{row['name']:>12}  " + "  ".join(f"{column.label} {cell(row, column)}" for column in evaluation.columns)


def _means(evaluation: Evaluation) -> list[str]:
    """A table: a figure a line, before and after beside each other."""
    mean = evaluation.mean
    width = max(len(column.heading) for column in evaluation.columns)
    head = f"mean of {len(evaluation.rows)}"
    table = [f"{head:<{max(width, len(head))}}" + "".join(f"{side:>{VALUE}}" for side in SIDES)]
    for column in evaluation.columns:
        values = "".join(f"{column.text(mean[side][column.key]):>{VALUE}}" for side in SIDES)
        table.append(f"{column.heading:<{max(width, len(head))}}{values}")
    return table


def _of_video(evaluation: Evaluation) -> str:
    static, compared = (evaluation.share(name) for name in ("static", "compared"))
    told = ["nothing" if share is None else f"{share:.0f} % of the pixels" for share in (static, compared)]
    cuts = f"{evaluation.cuts} cut{'' if evaluation.cuts == 1 else 's'}"
    return f"{len(evaluation.rows)} frames, {cuts}; flicker over {told[0]}, warping error over {told[1]}"
