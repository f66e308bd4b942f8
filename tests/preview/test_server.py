"""The preview's server: who is let in, and what a page gets for what it asks."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError
from conftest import MakeClip, dark_frames, decode
from serving import Served, decoded, run

from exdnet_plugin import StreamInfo, open_filter
from exdnet_plugin.media.facts import ColorTags
from exdnet_plugin.media.frames import frame_planes
from exdnet_plugin.preview.command import command_line
from exdnet_plugin.preview.guard import is_loopback
from exdnet_plugin.preview.session import Settings

SIZE = (160, 90)


@pytest.fixture
def clip(make_clip: MakeClip) -> Path:
    """Two seconds, whose brightness tells the time: dark, then less dark."""
    frames = [frame for peak in (40, 90) for frame in dark_frames(24, (SIZE[1], SIZE[0]), peak=peak)]
    return make_clip("night street.mp4", frames=frames, rate=24)


@pytest.fixture
def served(clip: Path) -> Iterator[Served]:
    with Served(clip) as running:
        yield running


@pytest.fixture(scope="module")
def standing() -> Iterator[Served]:
    """One for tests that leave it as it is."""
    with Served("lavfi:testsrc2=size=64x48:rate=10", chain="null") as running:
        yield running


async def status(url: str, **headers: str) -> int:
    async with ClientSession() as client, client.get(url, headers=headers) as response:
        return response.status


def test_pages_forbid_every_other_origin(standing: Served) -> None:
    async def look() -> None:
        for name in ("", "page.css", "page.js", "icon.svg", "nothing"):
            async with ClientSession() as client, client.get(standing.url + name) as response:
                assert response.status == (404 if name == "nothing" else 200)
                policy = response.headers["Content-Security-Policy"]
                assert policy.startswith("default-src 'none'; script-src 'self'")
                assert "://" not in policy
                assert "*" not in policy
                text = (await response.text()).replace('xmlns="http://www.w3.org/2000/svg"', "")
                assert not re.search(r"https?://", text), "an address outside"

    run(look)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 200),
        ({"Host": "localhost:{port}"}, 200),
        ({"Host": "[::1]:{port}"}, 200),
        ({"Host": "rebound.example:{port}"}, 403),
        ({"Host": "127.0.0.1.rebound.example"}, 403),
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_loopback_takes_no_foreign_host_or_origin(standing: Served, headers: dict[str, str], expected: int) -> None:
    given = {name: value.format(port=standing.port) for name, value in headers.items()}

    async def look() -> None:
        assert await status(standing.url, **given) == expected
        if expected == 403:
            with pytest.raises(WSServerHandshakeError, match="403"):
                async with standing.page(headers=given):
                    pass

    run(look)


def test_elsewhere_a_token_is_asked_for(clip: Path) -> None:
    with Served(clip, token="s3cret-ä") as served:

        async def look() -> None:
            for path in ("", "page.js", "socket"):
                assert await status(served.url + path) == 401
                assert await status(f"{served.url}{path}?token=wrong") == 403
            whole = f"{served.url}?token=s3cret-ä"
            assert await status(whole, Host="desk.lan") == 200
            assert await status(whole, Origin="http://evil.example") == 403
            other_port = {"Cookie": "exdnet-preview-1=s3cret-ä"}
            assert await status(served.url, **other_port) == 401

        run(look)


def test_a_cookie_stands_for_the_token(clip: Path) -> None:
    with Served(clip, token="s3cret") as served:

        async def look() -> None:
            async with ClientSession() as client, client.get(f"{served.url}?token=s3cret") as response:
                (cookie,) = response.cookies.values()
            assert cookie["httponly"]
            assert cookie["samesite"] == "Strict"
            header = {"Cookie": f"{cookie.key}={cookie.value}"}
            assert await status(f"{served.url}page.js", **header) == 200
            async with served.page(headers=header) as page:
                await page.picture()

        run(look)


def test_pictures_come_as_the_filter_makes_them(served: Served, clip: Path) -> None:
    async def look() -> None:
        async with served.page() as page:
            await page.say("pause", True)
            await page.until(paused=True)
            await page.say("seek", 0)
            while (seen := await page.picture())[0]["time"] > 0:
                pass
        header, before, after = seen
        assert header["source"] == list(SIZE)
        first = decode(clip)[0]
        assert np.abs(before.astype(int) - first.to_ndarray(format="rgb24")).mean() < 2
        assert after.mean() == pytest.approx(bright_mean(first), abs=2)
        assert after.mean() > before.mean() + 20

    run(look)


def bright_mean(frame: av.VideoFrame) -> float:
    """The mean of a frame after the chain, alone."""
    planes = frame_planes(frame)
    info = StreamInfo(frame.width, frame.height, "yuv420p", color=ColorTags.of(frame).names())
    with open_filter(info, chain="exdnet", quality="realtime") as bright:
        result = av.VideoFrame(frame.width, frame.height, "yuv420p")
        for plane, values in zip(frame_planes(result), bright(planes, 0.0), strict=True):
            plane.setflags(write=True)
            plane[...] = values
    result.colorspace, result.color_range = frame.colorspace, frame.color_range
    return float(result.to_ndarray(format="rgb24").mean())


def test_a_page_that_draws_slowly_is_sent_the_newest_only(served: Served) -> None:
    async def look() -> None:
        async with served.page() as page:
            header, _, _ = await page.picture()
            while (await page.next())[0]["kind"] != "picture":
                pass
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(page.socket.receive(), 0.7)
            await page.say("drawn")
            while (later := (await page.next())[0])["kind"] != "picture":
                pass
            assert later["time"] - header["time"] > 0.3 or later["time"] < header["time"]
            assert later["latency"] > 0.6, "until it was drawn"

    run(look)


def test_a_wrong_chain_is_told_while_the_old_one_goes_on(served: Served) -> None:
    async def look() -> None:
        async with served.page() as page, served.page() as other:
            for chain, said in (
                ("exdent", "exdent"),
                ("exdnet=strength=2", "between 0 and 1"),
                ("exdnet,", "name is missing"),
                ("kornia=op=geometry.transform.hflip,kornia=op=enhance.nothing", "nothing"),
            ):
                await page.say("set", {"chain": chain, "quality": "realtime"})
                await page.until(refused=lambda refused, said=said: said in refused["why"])
                _, before, after = await page.picture()
                assert page.state["chain"] == "exdnet"
                assert after.mean() > before.mean() + 20
            await page.say("set", {"chain": "null", "quality": "realtime"})
            await page.until(refused=lambda refused: not refused["why"], chain="null")
            await page.picture_of(np.array_equal)
            await other.until(chain="null")  # pages show one session

    run(look)


def test_settings_act_while_it_is_paused(served: Served) -> None:
    async def look() -> None:
        async with served.page() as page:
            await page.say("pause", True)
            await page.until(paused=True)
            await page.say("seek", 0.5)
            while (seen := await page.picture())[0]["time"] != pytest.approx(0.5, abs=0.02):
                pass
            header, _, bright = seen
            await page.say("set", {"chain": "exdnet=strength=0.2", "quality": "exact"})
            await page.until(chain="exdnet=strength=0.2", quality="exact")
            later = await page.picture_of(lambda _, after: after.mean() < bright.mean() - 10)
            assert later["time"] == header["time"]

    run(look)


def test_a_file_is_sought_in_and_loops(served: Served) -> None:
    async def look() -> None:
        async with served.page() as page:
            header, early, _ = await page.picture()
            assert page.state["duration"] == pytest.approx(2, abs=0.05)
            assert page.state["paused"] is False
            await page.say("seek", 1.5)
            while not 1.4 < header["time"] < 1.9:
                header, late, _ = await page.picture()
            assert late.mean() > early.mean() + 10
            while header["time"] > 0.5:
                header, _, _ = await page.picture()
            await page.say("pause", True)
            await page.until(paused=True)
            await page.say("seek", 99)
            while header["time"] < 1.9:
                header, _, _ = await page.picture()
            await page.say("seek", 0.5)
            while header["time"] != pytest.approx(0.5, abs=0.05):
                header, _, _ = await page.picture()

    run(look)


@pytest.mark.parametrize("name", ["after", "both"])
def test_a_snapshot_is_a_png(served: Served, name: str) -> None:
    async def look() -> None:
        async with served.page() as page:
            _, _, after = await page.picture()
            await page.say("snapshot", name)
            while (message := await page.next())[0]["kind"] != "snapshot":
                pass
            image = decoded(message[1])
            assert image.shape == (SIZE[1], SIZE[0] * (1 if name == "after" else 2), 3)
            assert np.abs(image[:, -SIZE[0] :].mean() - after.mean()) < 12

    run(look)


@pytest.mark.parametrize(
    "message",
    ["nonsense", "[]", '{"a": 1, "b": 2}', '{"fly": 1}', '{"seek": "1"}', '{"seek": NaN}', '{"pause": 1}',
     '{"set": {"chain": "exdnet", "quality": "best"}}', '{"snapshot": "x"}', '{"offer": "v=0"}',
     '{"offer": "m=video"}', '{"offer": 1}'],
)  # fmt: skip
def test_what_no_page_says_ends_the_connection(standing: Served, message: str) -> None:
    async def look() -> None:
        async with standing.page() as page:
            await page.socket.send_str(message)
            while (answer := await page.socket.receive(timeout=10)).type is not WSMsgType.CLOSE:
                assert answer.type in (WSMsgType.TEXT, WSMsgType.BINARY)
            assert answer.data == 1008
        async with standing.page() as page:
            await page.picture()

    run(look)


@pytest.mark.parametrize(
    ("source", "settings", "expected"),
    [
        ("{clip}", Settings(quality="exact"), "exdnet enhance '{clip}' bright.mp4"),
        (
            "{clip}",
            Settings("kornia=op=a:b='x, y'", device="cpu"),
            "exdnet enhance '{clip}' bright.mp4 --chain 'kornia=op=a:b='\"'\"'x, y'\"'\"'' --device cpu "
            "--quality realtime",
        ),
        ("rtsp://cam/a?b&c", Settings("exdnet=strength=0.5"),
         "exdnet stream 'rtsp://cam/a?b&c' bright.mkv --chain exdnet=strength=0.5"),
        ("rtsp://user:secret@cam/a", Settings(), "exdnet stream 'rtsp://***@cam/a' bright.mkv"),
        ("env:CAMERA", Settings(), "exdnet stream env:CAMERA bright.mkv"),
        ("camera", Settings(quality="exact"), "exdnet stream /dev/video0 bright.mkv --quality exact"),
    ],
)  # fmt: skip
def test_the_command_does_what_is_shown(clip: Path, source: str, settings: Settings, expected: str) -> None:
    assert command_line(source.format(clip=clip), settings) == expected.format(clip=clip)


def test_which_hosts_are_loopback() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.1.2.3", "::1")))
    assert not any(map(is_loopback, ("0.0.0.0", "192.168.1.2", "", "localhost.evil.example", "::")))


COMMAND = [sys.executable, "-m", "exdnet_plugin", "preview"]


@pytest.mark.parametrize(("host", "token"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_the_command_prints_the_address_and_ends_at_ctrl_c(clip: Path, host: str, token: bool) -> None:
    command = [*COMMAND, str(clip), "--host", host, "--no-open"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        line = process.stdout.readline()
        address = re.match(r"http://(\S+?):(\d+)/(\?token=\S{30,})?", line)
        assert address, line + process.stderr.read()
        assert bool(address[3]) is token
        url = f"http://127.0.0.1:{address[2]}/"
        assert asyncio.run(status(url + (address[3] or ""))) == 200
        assert asyncio.run(status(url)) == (401 if token else 200)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Traceback" not in said


def test_what_cannot_be_shown_is_one_line(
    exdnet: Callable[..., tuple[int, str, str]], clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting in ("exdnet_plugin.devices.leave_cores", "exdnet_plugin.cli.live_log.set_up_log"):
        monkeypatch.setattr(setting, lambda *_: None)  # they last as long as the process, which is the tests'
    for arguments, said in (
        (("nothing.mp4",), "nothing.mp4 is no file"),
        ((clip, "--chain", "exdent"), "exdent"),
        ((clip, "--host", "203.0.113.9"), "cannot be served at 203.0.113.9"),
        ((clip, "--certificate", clip), "no PEM file"),
    ):
        code, _, error = exdnet("preview", *arguments, "--no-open")
        assert code == 2
        assert said in error
        assert len(error.strip().splitlines()) == 1


def test_a_missing_package_is_one_line(
    exdnet: Callable[..., tuple[int, str, str]], clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exdnet_plugin.cli.preview.find_spec", lambda name: None if name == "aiortc" else object())
    code, _, error = exdnet("preview", clip)
    assert code == 2
    assert error == "exdnet: exdnet preview needs aiortc; pip install 'exdnet-plugin[preview]'\n"
