"""`exdnet evaluate`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from exdnet_plugin.cli.options import PATH, chain_and_device, json_output, parse_time

if TYPE_CHECKING:
    from exdnet_plugin.evaluation.results import Evaluated, Evaluation
    from exdnet_plugin.pairs import Pair

    Measured = tuple[Evaluation, Iterator[Evaluated], int | None]


@click.command(short_help="How good results are: of pairs, pictures and videos.")
@click.argument("source", type=PATH, metavar="LOW|PHOTOS|VIDEO")
@click.argument("other", type=PATH, metavar="[HIGH|AFTER]", required=False)
@chain_and_device
@click.option(
    "--validation",
    is_flag=True,
    help="Only the pictures that `exdnet train` holds out of these folders' data set.",
)
@click.option(
    "--hold-out", type=click.Choice(["views", "pictures"]), help="Which those are, as for training.  [default: views]"
)
@click.option("--frames", type=click.IntRange(1), metavar="N", help="Of a video, so many at most.  [default: 120]")
@click.option("--from", "start", metavar="TIME", help="Where a video's frames start, in seconds or as 1:02:03.5.")
@click.option("--report", type=PATH, metavar="FILE", help="Write a page, .html, or a contact sheet, .png.")
@json_output
def evaluate(source: Path, other: Path | None, report: Path | None, as_json: bool, **how: Any) -> None:
    """Measure what a chain makes of pictures or a video.

    \b
    exdnet evaluate LOW HIGH         pictures of a folder, enhanced, against those of the same name in another; or two
    exdnet evaluate PHOTOS           pictures of a folder, or one, without a ground truth, before and after
    exdnet evaluate VIDEO            a video's frames, before and after
    exdnet evaluate VIDEO AFTER      two videos, the second made of the first

    Pairs: PSNR in dB; SSIM of kornia, window 11, RGB in [0, 1]; the ratio of mean Lab chromas, 1 where colours are as
    strong as the ground truth's; the mean CIEDE2000 colour difference. The means are of the pictures' values; the
    ground truth's brightness is not used. Pictures: exposure, colour, contrast and noise. Videos: luma, flicker on
    static regions, and warping error.
    """
    from exdnet_plugin.allocator import keep_memory
    from exdnet_plugin.cli.progress import Progress
    from exdnet_plugin.evaluation.report import check_report, write_report

    keep_memory()
    if report:
        check_report(report, [path for path in (source, other) if path])
    with ExitStack() as opened, Progress(str(source), "frames" if _kind(source) == "video" else "pictures") as progress:
        evaluation, measured, total = _measure(source, other, how, opened)
        for one in measured:
            evaluation.add(one, look=report is not None)
            progress(len(evaluation.rows), total)
    if report:
        write_report(report, evaluation)
    if as_json:
        click.echo(json.dumps(evaluation.summary(), indent=2))
    else:
        _say(evaluation)
        if report:
            click.echo(f"{report}")


def _measure(source: Path, other: Path | None, how: dict[str, Any], opened: ExitStack) -> Measured:
    """What is to be measured, its rows as they come, and how many there will be."""
    if not source.exists():
        raise ValueError(f"{source} does not exist; give pictures, a folder of them, or a video file")
    if other and other.exists() and _kind(source) != _kind(other):
        raise ValueError(f"{source} and {other}: give two folders of pictures, two pictures or two video files")
    if _kind(source) != "video":
        _refuse(how, "frames", "start", why=f"{source} is a {_kind(source)}")
        return _pairs(source, other, how) if other else _pictures(source, how)
    _refuse(how, "validation", "hold_out", why=f"{source} is a video; it is for pairs of pictures")
    return _videos(source, other, how, opened) if other else _video(source, how, opened)


def _kind(path: Path) -> str:
    from exdnet_plugin.media.photos import PHOTO_SUFFIXES

    if path.is_dir():
        return "folder of pictures"
    return "picture" if path.suffix.lower() in PHOTO_SUFFIXES else "video"


def _refuse(how: dict[str, Any], *names: str, why: str) -> None:
    given = [name for name in names if how[name]]
    if given:
        option = given[0].replace("start", "from").replace("_", "-")
        raise ValueError(f"--{option}: {why}; leave it out")


def _pairs(low: Path, high: Path, how: dict[str, Any]) -> Measured:
    from exdnet_plugin.evaluation.folders import evaluate_pairs
    from exdnet_plugin.evaluation.results import PAIR_COLUMNS
    from exdnet_plugin.pairs import Pair

    if not how["validation"]:
        _refuse(how, "hold_out", why="it is for --validation")
    if low.is_dir():
        pairs = _pairs_of_folders(low, high, how)
    else:
        _refuse(how, "validation", why=f"{low} is a picture, and it is for folders")
        pairs = [Pair(low.stem, low, high)]
    evaluation = _evaluation(f"{low} against {high}", "pictures", PAIR_COLUMNS, how)
    return evaluation, evaluate_pairs(pairs, chain=how["chain"], device=how["device"]), len(pairs)


def _pairs_of_folders(low: Path, high: Path, how: dict[str, Any]) -> list[Pair]:
    from exdnet_plugin.data_sets import data_set_around
    from exdnet_plugin.training.runs import split

    data = data_set_around(low, high)
    pairs = [pair for pair in data.pairs if (pair.low.parent, pair.high.parent) == (low, high)]
    if how["validation"]:
        held_out = {pair.name for pair in split(data, how["hold_out"] or "views")[1]}
        pairs = [pair for pair in pairs if pair.name in held_out]
        if not pairs:
            raise ValueError(f"{low} holds none of the pictures that training holds out; leave out --validation")
    return pairs


def _pictures(source: Path, how: dict[str, Any]) -> Measured:
    from exdnet_plugin.evaluation.folders import evaluate_pictures, pictures_of
    from exdnet_plugin.evaluation.results import PICTURE_COLUMNS

    _refuse(how, "validation", "hold_out", why=f"there is no ground truth of {source}")
    paths = pictures_of(source) if source.is_dir() else [source]
    evaluation = _evaluation(str(source), "pictures", PICTURE_COLUMNS, how)
    return evaluation, evaluate_pictures(paths, chain=how["chain"], device=how["device"]), len(paths)


def _video(path: Path, how: dict[str, Any], opened: ExitStack) -> Measured:
    from exdnet_plugin.evaluation.results import VIDEO_COLUMNS
    from exdnet_plugin.evaluation.videos import FRAMES, evaluate_video, open_source

    frames = how["frames"] or FRAMES
    source = opened.enter_context(open_source(path, parse_time("--from", how["start"] or "0")))
    measured = evaluate_video(source, chain=how["chain"], device=how["device"], frames=frames)
    return _evaluation(str(path), "frames", VIDEO_COLUMNS, how), measured, min(source.expected_frames or frames, frames)


def _videos(before: Path, after: Path, how: dict[str, Any], opened: ExitStack) -> Measured:
    from exdnet_plugin.evaluation.provenance import stamp
    from exdnet_plugin.evaluation.results import VIDEO_COLUMNS, Evaluation
    from exdnet_plugin.evaluation.videos import FRAMES, check_alike, evaluate_videos, open_source

    given = click.get_current_context().get_parameter_source
    for option in ("chain", "engine", "device"):
        if given(option) not in (ParameterSource.DEFAULT, None):
            raise ValueError(f"--{option}: two videos are compared as they are; leave it or {after} out")
    frames, start = how["frames"] or FRAMES, parse_time("--from", how["start"] or "0")
    sources = [opened.enter_context(open_source(path, start)) for path in (before, after)]
    check_alike(*sources)
    facts = {"before": str(before), "after": str(after), **stamp()}
    evaluation = Evaluation(f"{before} and {after}", "frames", VIDEO_COLUMNS, facts)
    return evaluation, evaluate_videos(*sources, frames=frames), min(sources[0].expected_frames or frames, frames)


def _evaluation(title: str, unit: Any, columns: Any, how: dict[str, Any]) -> Evaluation:
    from exdnet_plugin.evaluation.provenance import measured_with
    from exdnet_plugin.evaluation.results import Evaluation

    return Evaluation(title, unit, columns, measured_with(how["chain"], how["device"]))


def _say(evaluation: Evaluation) -> None:
    from exdnet_plugin.evaluation.plain import lines

    for line in lines(evaluation):
        click.echo(line)
