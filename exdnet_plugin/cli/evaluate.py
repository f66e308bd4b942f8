"""`exdnet evaluate`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from exdnet_plugin.cli.options import chain_and_device, json_output


@click.command(short_help="PSNR, SSIM and colour over paired folders.")
@click.argument("low", type=click.Path(path_type=Path))
@click.argument("high", type=click.Path(path_type=Path))
@chain_and_device
@click.option("--validation", is_flag=True, help="Only the pictures that `exdnet train` holds out of these folders.")
@json_output
def evaluate(low: Path, high: Path, chain: str, device: str, validation: bool, as_json: bool) -> None:
    """Enhance the pictures of LOW and compare them with those of the same name in HIGH.

    PSNR in dB; SSIM of kornia, window 11, RGB in [0, 1]; the ratio of mean Lab chromas, 1 where colours are as strong
    as the ground truth's. The means are of the pictures' values; the ground truth's brightness is not used.
    """
    from exdnet_plugin.allocator import keep_memory
    from exdnet_plugin.cli.progress import Progress
    from exdnet_plugin.evaluation.folders import evaluate_pairs, means
    from exdnet_plugin.pairs import find_pairs, split_by_group, viewpoint_groups

    keep_memory()
    pairs = find_pairs(low, high)
    if validation:
        pairs = split_by_group(pairs, viewpoint_groups(low.parent, pairs))[1]
    with Progress(str(low), "pictures") as progress:
        rows = []
        for row in evaluate_pairs(pairs, chain=chain, device=device):
            rows.append(row)
            progress(len(rows), len(pairs))
    if as_json:
        click.echo(json.dumps({"chain": chain, "pictures": len(rows), "mean": means(rows), "rows": rows}, indent=2))
        return
    for row in rows:
        click.echo(
            f"{row['name']:>12}  {row['psnr']:6.2f} dB  SSIM {row['ssim']:.4f}  chroma {row['chroma_ratio']:.2f}"
        )
    mean = means(rows)
    click.echo(
        f"mean of {len(rows)}: {mean['psnr']:.2f} dB, SSIM {mean['ssim']:.4f}, chroma ratio {mean['chroma_ratio']:.2f}"
    )
