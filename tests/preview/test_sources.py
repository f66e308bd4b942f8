"""What the preview shows: large, turned and still pictures, live sources, and those that are away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import av
import numpy as np
from conftest import MakeClip, dark_frames, decode
from serving import Served, run

SIZE = (160, 90)


def test_a_large_picture_is_shown_smaller(make_clip: MakeClip) -> None:
    with Served(make_clip("large.mp4", frames=2, size=(1500, 64))) as served:

        async def look() -> None:
            async with served.page() as page:
                header, before, _ = await page.picture()
                assert before.shape == (54, 1280, 3)
                assert header["source"] == [1500, 64]

        run(look)


def test_a_turned_video_stands_upright(make_clip: MakeClip, tmp_path: Path) -> None:
    picture = np.full((64, 96, 3), 20, np.uint8)
    picture[:32] = 90  # the upper half
    lying, turned = make_clip("lying.mp4", frames=[picture] * 3), tmp_path / "turned.mp4"
    with av.open(str(lying)) as source, av.open(str(turned), "w") as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        stream.set_display_rotation(90)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                sink.mux(packet)
    assert decode(turned)[0].rotation == 90
    with Served(turned, chain="null") as served:

        async def look() -> None:
            async with served.page() as page:
                _, before, _ = await page.picture()
                assert before.shape == (96, 64, 3)
                assert before[:, :32].mean() > 60 > before[:, 32:].mean(), "counter-clockwise: its top is left"

        run(look)


def test_a_photo_is_a_source(tmp_path: Path) -> None:
    import cv2

    path = tmp_path / "dark.png"
    cv2.imwrite(str(path), dark_frames(1, (48, 64))[0])
    with Served(path, quality="exact") as served:

        async def look() -> None:
            async with served.page() as page:
                _, before, after = await page.picture()
                assert page.state["still"]
                assert page.state["duration"] is None
                assert after.mean() > before.mean() + 20
                await page.say("set", {"chain": "null", "quality": "exact"})
                await page.picture_of(np.array_equal)

        run(look)


def test_a_live_source_is_shown_and_held() -> None:
    with Served("lavfi:testsrc2=size=160x90:rate=20") as served:

        async def look() -> None:
            async with served.page() as page:
                times = [(await page.picture())[0]["time"] for _ in range(5)]
                assert np.diff(times).min() > 0
                assert page.state["duration"] is None
                await page.say("pause", True)
                await page.until(paused=True)
                await asyncio.sleep(0.3)
                held = served.session.shot
                await asyncio.sleep(0.3)
                assert served.session.shot is held

        run(look)


def test_a_source_that_is_away_is_told() -> None:
    with Served("tcp://127.0.0.1:1") as served:

        async def look() -> None:
            async with served.page() as page:
                await page.until(trouble=lambda trouble: "connecting" in trouble)

        run(look)
