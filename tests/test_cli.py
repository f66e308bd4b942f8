"""The command as a person meets it: bad input gets one line with the value and remedy, exit code 2, nothing lost."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import get_args

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition
from conftest import MakeClip, dark_frames, decode, scene

from exdnet_plugin.cli.photos import PhotoJob
from exdnet_plugin.cli.progress import Progress

Run = Callable[..., tuple[int, str, str]]


def refused(result: tuple[int, str, str], *said: str) -> None:
    code, _, error = result
    assert code == 2, error
    assert error.count("\n") == 1, error
    assert error.startswith("exdnet: ")
    assert "Traceback" not in error
    for part in said:
        assert part in error


@pytest.fixture
def clip(make_clip: MakeClip) -> Path:
    return make_clip("in.mp4", frames=6, audio=True)


def test_enhance_says_what_happened_and_where_the_file_is(exdnet: Run, clip: Path, tmp_path: Path) -> None:
    code, out, _ = exdnet("enhance", clip, tmp_path / "out.mp4")
    assert code == 0
    assert "6 frames in" in out
    seconds = {stage: float(told) for stage, told in re.findall(r"(decode|filter|encode|write) ([\d.]+) s", out)}
    slowest = re.search(r"slowest: (\w+)", out)
    assert slowest is not None
    assert seconds[slowest[1]] == max(seconds.values())
    assert out.rstrip().endswith(str(tmp_path / "out.mp4"))
    assert len(decode(tmp_path / "out.mp4")) == 6


@pytest.mark.parametrize(
    "kind", ["missing", "empty", "text", "audio", "audio, cover", "cut", "folder of nothing", "no match", "no frames"]
)
def test_a_source_that_is_none_is_refused(exdnet: Run, clip: Path, tmp_path: Path, kind: str) -> None:
    source, said = tmp_path / "bad.mp4", ""
    if kind == "missing":
        said = "does not exist"
    elif kind == "empty":
        source.touch()
        said = "is empty"
    elif kind == "text":
        source.write_text("This is no film.\n" * 50)
        said = "not a media file"
    elif kind.startswith("audio"):
        with av.open(str(source), "w") as container:
            stream = container.add_stream("aac", rate=48000, layout="mono")
            if covered := kind.endswith("cover"):
                cover = container.add_stream("mjpeg", rate=1)
                cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
                cover.disposition = Disposition.attached_pic
                picture = av.VideoFrame(64, 48, "yuvj420p")
                picture.pts, picture.time_base = 0, Fraction(1)
                container.mux([*cover.encode(picture), *cover.encode(None)])
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 48000
            container.mux([*stream.encode(frame), *stream.encode(None)])
        said = f"has no video stream that can be decoded (it holds {'a cover picture, ' if covered else ''}audio)"
    elif kind == "cut":
        source.write_bytes(clip.read_bytes()[:2000])
        said = "cut off"
    elif kind == "folder of nothing":
        source = tmp_path / "nothing"
        source.mkdir()
        said = "holds no video and no photo"
    elif kind == "no match":
        source, said = tmp_path / "*.webm", "matches no file"
    else:
        with av.open(str(clip)) as given, av.open(str(source), "w") as container:
            container.add_stream_from_template(given.streams.video[0])
            container.start_encoding()
        said = "bad.mp4"
    refused(exdnet("enhance", source, tmp_path / "out.mp4"), str(source), said)
    assert not (tmp_path / "out.mp4").exists()


def test_a_sink_that_is_none_is_refused_and_nothing_is_lost(exdnet: Run, clip: Path, tmp_path: Path) -> None:
    before = clip.read_bytes()
    refused(exdnet("enhance", clip, clip, "--overwrite"), "is the source itself")
    refused(
        exdnet("enhance", clip, tmp_path / "out.xyz"),
        "has the extension '.xyz', but a sink for in.mp4 needs one of",
        ".mp4",
    )
    refused(exdnet("enhance", clip, tmp_path / "nowhere" / "out.mp4"), "does not exist", "make it first")
    (tmp_path / "there.mp4").write_text("precious")
    refused(exdnet("enhance", clip, tmp_path / "there.mp4"), "is there already", "--overwrite")
    assert (tmp_path / "there.mp4").read_text() == "precious"
    assert clip.read_bytes() == before


@pytest.mark.parametrize(
    ("source", "sink", "said"),
    [
        ("-", "out.mp4", "standard input is for `exdnet stream`"),
        ("rtsp://user:secret@camera/main", "out.mp4", "a URL is for `exdnet stream`"),
        ("in.mp4", "-", "as `exdnet pipe`, to standard output"),
        ("in.mp4", "rtmp://server/app/secret", "`exdnet stream` writes to URLs"),
    ],
)
def test_what_is_for_streams_is_told_so(exdnet: Run, source: str, sink: str, said: str) -> None:
    code, _, text = exdnet("enhance", source, sink)
    assert (code, said in text, "secret" in text) == (2, True, False)


def test_a_name_with_a_colon_is_no_protocol(exdnet: Run, clip: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    clip.rename("12:30.mp4")
    assert exdnet("enhance", "12:30.mp4", "2026-11-27T12:31.mp4", "--chain", "null")[0] == 0
    assert exdnet("info", "2026-11-27T12:31.mp4")[0] == 0


def test_a_processor_that_fails_at_one_file_does_not_stop_the_others(
    exdnet: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def process(self, frames, times):
        if frames.shape[2] == 24:
            raise RuntimeError("boom")
        return frames

    monkeypatch.setattr("exdnet_plugin.processors.kornia.KorniaProcessor.process", process)
    (tmp_path / "in").mkdir()
    for name, height in (("a.png", 24), ("b.png", 32)):
        cv2.imwrite(str(tmp_path / "in" / name), dark_frames(1, (height, 32))[0])
    chain = "kornia=op=enhance.adjust_gamma:gamma=0.9"
    code, _, said = exdnet("enhance", tmp_path / "in", tmp_path / "out", "--chain", chain)
    assert (code, "a.png: RuntimeError: boom" in said, "1 of 2 files failed" in said) == (2, True, True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.png"]


def test_an_unwritable_folder_is_refused(exdnet: Run, clip: Path) -> None:
    refused(exdnet("enhance", clip, "/proc/out.mp4"), "/proc/out.mp4 cannot be written", "may write to")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--device", "tpu"], "device 'tpu' is not here; there is cpu"),
        (["--chain", "exdnot"], "there are denoise, exdnet, kornia, null"),
        (["--chain", "exdnet=strenth=1"], "did you mean strength"),
        (["--chain", "exdnet=weights=gone.pth"], "no weights 'gone.pth'; give default"),
        (["--codec", "h267"], "codec 'h267' is not in this build"),
        (["--option", "preset"], "write KEY=VALUE"),
        (["--option", "qp=lots"], "refuses its settings"),
        (["--option", "prezet=slow"], "has no option 'prezet'; near it are preset"),
        (["--quality", "perfect"], "'perfect' is not one of"),
        (["--crf", "low"], "--crf"),
        (["--preset", "fastest"], "preset 'fastest': libx264 has ultrafast, superfast"),
        (["--chain", "kornia=op=filters.box_blur:kernel_size=(5,5)"], "put it between single quotes"),
    ],
)
def test_a_wrong_option_is_refused_with_what_there_is(
    exdnet: Run, clip: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    refused(exdnet("enhance", clip, tmp_path / "out.mp4", *arguments), said)
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4"}


def test_without_arguments_there_is_help_and_without_some_there_is_the_usage(exdnet: Run) -> None:
    code, out, _ = exdnet()
    assert code == 0
    assert "\n  enhance" in out
    refused(exdnet("enhance", "dark.jpg"), "Missing argument 'SINK'", "Usage: exdnet enhance")
    refused(exdnet("demo"), "OUT", "Usage: exdnet demo", "exdnet demo --help")
    refused(exdnet("enhnce", "a", "b"), "did you mean enhance?")


def test_several_files_go_on_where_they_were_stopped(exdnet: Run, tmp_path: Path) -> None:
    night, bright = tmp_path / "night", tmp_path / "bright"
    refused(exdnet("enhance", night, bright), "does not exist")
    assert not bright.exists()
    night.mkdir()
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(night / name), np.full((8, 8, 3), 20, np.uint8))
    code, out, _ = exdnet("enhance", night, bright)
    assert code == 0
    assert "2 photos in" in out
    (bright / "b.png").unlink()
    written = (bright / "a.png").stat().st_mtime_ns
    code, out, _ = exdnet("enhance", night, bright, "--resume")
    assert code == 0
    assert "a.png is there already" in out
    assert (bright / "b.png").exists()
    assert (bright / "a.png").stat().st_mtime_ns == written


def test_info_shows_weights_one_by_one(exdnet: Run, shared: Path) -> None:
    code, out, _ = exdnet("info", "weights", "small")
    assert code == 0
    assert out.count("# Model card") == 1
    code, out, _ = exdnet("info", "weights", next((shared / "golden").rglob("*.safetensors")))
    assert code == 0
    assert "sha256" in out
    assert "exposure constants: 0." in out
    refused(exdnet("info", "weights", "nowhere"), "'nowhere'", "default, lol, small")
    refused(exdnet("info", "a.mp4", "b.mp4"), "b.mp4", "one file at a time")


def test_options_that_have_no_effect_are_named(exdnet: Run, clip: Path, tmp_path: Path) -> None:
    photo = tmp_path / "in.png"
    cv2.imwrite(str(photo), np.full((32, 32, 3), 20, np.uint8))
    told = exdnet("enhance", photo, tmp_path / "out.png", "--chain", "null", "--crf", "3", "--from", "5")[2]
    assert "note: --crf, --from: of no effect here, being for videos" in told
    told = exdnet("enhance", clip, tmp_path / "out.mp4", "--chain", "null", "--photo-quality", "80")[2]
    assert "note: --photo-quality: of no effect here, being for photos" in told
    assert "no effect" not in exdnet("enhance", clip, tmp_path / "b.mp4", "--chain", "null", "--crf", "30")[2]


def test_a_name_that_is_empty_is_refused(exdnet: Run, tmp_path: Path) -> None:
    """As of a script whose variable is not set: no name is not the folder that one is in."""
    refused(exdnet("enhance", "", tmp_path / "out"), "the name is empty")
    refused(exdnet("enhance", tmp_path, ""), "the name is empty")
    refused(exdnet("evaluate", ""), "the name is empty")


def test_an_unknown_command_is_refused(exdnet: Run) -> None:
    refused(exdnet("brighten"), "there is no command 'brighten'; there are enhance")


def test_the_golden_network_runs_as_weights_of_a_chain(exdnet: Run, clip: Path, tmp_path: Path, shared: Path) -> None:
    weights = shared / "golden" / "exdnet_random.pth"
    assert exdnet("enhance", clip, tmp_path / "out.mp4", "--chain", f"exdnet=weights={weights}")[0] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_stops_a_job_leaves_no_file_and_no_process(make_clip: MakeClip, tmp_path: Path, number: int) -> None:
    """Ctrl-C, a service's manager, a terminal that is closed."""
    source = make_clip("in.mp4", frames=60, size=(640, 360))
    command = [sys.executable, "-m", "exdnet_plugin", "enhance", str(source), str(tmp_path / "out.mp4")]
    # A shell's background jobs ignore Ctrl-C, and their children would, too.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed)
    beside = tmp_path / ".out.mp4.work"
    deadline = time.monotonic() + 60
    while not (beside / "frame-2.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert re.fullmatch(r"exdnet: stopped; \d+ frames are done and kept; --resume goes on .*", error.splitlines()[-1])
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4", ".out.mp4.work"}


def test_processors_and_plugins_and_info_answer(exdnet: Run, clip: Path) -> None:
    rows = json.loads(exdnet("processors", "--json")[1])
    assert {row["name"]: row["options"] for row in rows}["exdnet"]["strength"] == 1.0
    assert "        well_lit: `keep`, evenly lit frames are brightened" in exdnet("processors")[1]
    assert json.loads(exdnet("plugins", "--json")[1])["problems"] == []
    facts = json.loads(exdnet("info", clip, "--json")[1])
    assert (facts["size"], facts["streams"][0]["taken by enhance"]) == ("96x64", "yes")
    assert "torch" in exdnet("info")[1]
    assert "sha256" in exdnet("info", "weights")[1]


def test_evaluate_gives_rows_and_means(exdnet: Run, pairs: Path) -> None:
    code, out, _ = exdnet("evaluate", pairs / "low", pairs / "high", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["pictures"] == len(found["rows"]) == 8
    psnr = [row["psnr"] for row in found["rows"]]
    assert abs(found["mean"]["psnr"] - sum(psnr) / 8) < 1e-3
    same = json.loads(exdnet("evaluate", pairs / "high", pairs / "high", "--json", "--chain", "null")[1])
    assert same["mean"]["ssim"] == 1


def test_evaluate_names_what_has_no_partner(exdnet: Run, pairs: Path) -> None:
    (pairs / "low" / "3.png").unlink()
    refused(exdnet("evaluate", pairs / "low", pairs / "high"), "1 pictures", "no partner", "3")
    refused(exdnet("evaluate", pairs / "low", pairs / "nowhere"), "is not a folder of pictures")
    (pairs / "low" / "4.jpg").write_bytes((pairs / "low" / "4.png").read_bytes())
    refused(exdnet("evaluate", pairs / "low", pairs / "high"), "holds 4.jpg and 4.png", "rename the other")


def test_the_engine_is_an_option_of_the_command(exdnet: Run, make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mp4", frames=2)
    assert exdnet("enhance", source, tmp_path / "out.mkv", "--engine", "torch")[0] == 0
    refused(exdnet("enhance", source, tmp_path / "b.mkv", "--engine", "torch", "--chain", "null"), "has not")
    from exdnet_plugin.cli.options import ENGINES
    from exdnet_plugin.exdnet.engines import Engine

    assert get_args(Engine) == ENGINES


def test_a_job_that_goes_on_tells_its_own_speed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nine thousand frames that were done before do not make the last thousand fast."""
    now = iter(float(second) for second in range(0, 1000, 20))
    monkeypatch.setattr("exdnet_plugin.cli.progress.time.monotonic", lambda: next(now))
    with Progress("in.mp4") as progress:
        progress(9001, 10000)
        progress(9002, 10000)
    lines = capfd.readouterr().err.splitlines()
    assert lines[1] == "in.mp4: 9002 of 10000 frames, 0.05 a second, 5 h 32 min left"


def test_a_rate_of_no_time_is_refused(exdnet: Run, clip: Path, tmp_path: Path) -> None:
    for rate in ("30/0", "30/00", "0/5"):
        refused(exdnet("enhance", clip, tmp_path / "out.mp4", "--cfr", rate), f"--cfr '{rate}'", "as 25 or 30000/1001")


def test_a_folder_is_gone_on_with_without_a_false_word(exdnet: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / "in" / name), dark_frames(1, (24, 32))[0])
    asked = ["enhance", tmp_path / "in", tmp_path / "out", "--chain", "null"]
    assert exdnet(*asked)[0] == 0
    (tmp_path / "out/b.png").unlink()
    code, out, said = exdnet(*asked, "--resume")
    assert (code, said) == (0, "")
    assert out.splitlines() == [
        f"{tmp_path / 'out/a.png'} is there already, and left as it is",
        str(tmp_path / "out/b.png"),
    ]
    refused(exdnet(*asked, "--resume", "--overwrite"), "--overwrite", "--resume", "give one of the two")


def test_a_folder_that_is_stopped_says_how_far_it_came(
    exdnet: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png", "c.png"):
        cv2.imwrite(str(tmp_path / "in" / name), dark_frames(1, (24, 32))[0])
    run = PhotoJob.run

    def stopped(self: PhotoJob, source: Path, target: Path) -> None:
        if source.name == "c.png":
            raise KeyboardInterrupt
        run(self, source, target)

    monkeypatch.setattr(PhotoJob, "run", stopped)
    code, _, said = exdnet("enhance", tmp_path / "in", tmp_path / "out", "--chain", "null")
    assert (code, said.strip()) == (130, "exdnet: stopped; 2 of 3 files are done; --resume leaves them")


def test_a_photo_that_is_lit_in_part_says_so(exdnet: Run, tmp_path: Path) -> None:
    lit = (np.clip(scene(1, (48, 64)) * 200, 0, 255)).astype(np.uint8)
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), lit)
    code, out, _ = exdnet("enhance", tmp_path / "a.png", tmp_path / "out.png")
    assert (code, "it is well lit and stays, in part, what it was; --chain" in out) == (0, True)
    out = exdnet("enhance", tmp_path / "a.png", tmp_path / "b.png", tmp_path / "out")[1]
    assert "2 of 2 photos are well lit and stay, in part or wholly, what they were" in out


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--bitrate", "8"], "is 8 bits a second; write 8M"),
        (["--chain", "exdnet=strength=0,5"], "write decimals with a point, as 0.5"),
    ],
)
def test_usual_slips_are_told_as_such(exdnet: Run, clip: Path, tmp_path: Path, asked: list[str], said: str) -> None:
    refused(exdnet("enhance", clip, tmp_path / "out.mp4", *asked), said)


def test_a_sink_without_an_extension_and_a_source_that_looks_like_an_option(
    exdnet: Run, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain").touch()
    refused(exdnet("enhance", clip, tmp_path / "plain"), "is a file without an extension", "plain.mp4")
    monkeypatch.chdir(tmp_path)
    Path("-dash.mp4").touch()
    refused(exdnet("enhance", "-dash.mp4", "out.mp4"), "write ./-dash.mp4")
