"""A dark clip with sound to try things on, made of nothing but numpy and PyAV, and a picture of before and after.

OpenCV stays out: it must not live beside av's decoding, for both bring an FFmpeg.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from exdnet_plugin.demo.canvas import FINE, GAMMA, Canvas, Picture
from exdnet_plugin.demo.street import car, cyclist, street
from exdnet_plugin.errors import MediaError
from exdnet_plugin.media.opening import ffmpeg_name, open_media
from exdnet_plugin.whole_file import whole_file

RATE, SOUND_RATE = 24, 48000  # frames and samples a second
DAYLIGHT = 1 / 24  # of the light of a good picture, linear; with its lamps the clip has about a fifteenth
FULL_WELL, READ_NOISE = 8000.0, 8e-4  # the sensor's: electrons at full scale, and a share of full scale
CONTAINERS = frozenset({".mp4", ".m4v", ".mov", ".mkv"})  # those that take H.264 with AAC
_PAN, _PAN_SECONDS = 0.35, 16.0  # picture heights to the right, and the time there and back
_CHORD = (110.0, 220.0, 277.18, 329.63, 493.88)  # Hz: A major with a ninth
_BT709, _LIMITED = 1, 1  # H.273's code point, FFmpeg's range


def make_dark_clip(path: Path, *, seconds: float = 3.0, size: tuple[int, int] = (640, 360), seed: int = 0) -> None:
    """Write a clip of a street that was filmed with a small part of the light it needs: dark, noisy, with sound.

    H.264 4:2:0 in 8 bits, BT.709, limited range, 24 frames a second; AAC stereo at 48 kHz.

    Args:
        path: the file; .mp4, .m4v, .mov or .mkv. What is there is replaced, once the new one is whole.
        seconds: its length; at least one frame is made.
        size: width and height in pixels, even.
        seed: the same seed gives the same frames.

    Raises:
        ValueError: a size or length that cannot be.
        MediaError: the file cannot be written; nothing is left under its name.
    """
    width, height = size
    if min(size) < 32 or width % 2 or height % 2 or not seconds > 0:
        raise ValueError(
            f"a clip of {width}x{height} and {seconds:g} s: an even size from 32x32 and a time above 0 are needed"
        )
    with whole_file(path) as beside, av.open(ffmpeg_name(beside), "w") as container:
        video, sound = _streams(container, size)
        for number, light in enumerate(_noisy(frames(seconds, size, seed), np.random.default_rng(seed))):
            container.mux(video.encode(_video_frame(light, number)))
            container.mux(sound.encode(_sound_frame(number, seconds)))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))


def _streams(container: OutputContainer, size: tuple[int, int]) -> tuple[VideoStream, AudioStream]:
    video = container.add_stream("libx264", rate=RATE, options={"crf": "14", "preset": "veryfast"})
    video.width, video.height = size
    video.pix_fmt = "yuv420p"
    video.sample_aspect_ratio = Fraction(1)
    context = video.codec_context
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = _LIMITED
    return video, container.add_stream("aac", rate=SOUND_RATE, layout="stereo")


def frames(seconds: float, size: tuple[int, int], seed: int = 0, *, daylight: float = DAYLIGHT) -> Iterator[Picture]:
    """The scene without noise, RATE frames a second: (h, w, 3), linear RGB; 1 is full scale, lamps may be above.

    With `daylight` 1 it is seen in good light.
    """
    width, height = size
    scene = street(np.random.default_rng(seed), width / height + _PAN + 0.05, height).exposed(daylight)[..., :3]
    red_car = _strip(car(height), width, daylight)
    riders = [_strip(cyclist(height, -step * math.tau / 12), width, daylight) for step in range(12)]
    for number in range(max(round(seconds * RATE), 1)):
        time = number / RATE
        frame = _cropped(scene, _PAN * height * (0.5 - 0.5 * math.cos(time * math.tau / _PAN_SECONDS)), width)
        _paste(frame, riders[number // 2 % len(riders)], 1 - (time / 12 + 0.115) % 1)
        _paste(frame, red_car, (time / 7 + 0.335) % 1)
        yield frame


def _cropped(fine: Picture, left: float, width: int) -> Picture:
    """`width` columns from `left` on, in pixels of the frame: each the mean over its extent, for smooth motion."""
    first, part = divmod(left * FINE, 1)
    taken = fine[:, int(first) : int(first) + FINE * width + 1]
    share = np.float32(part)
    total: Picture = (1 - share) * taken[:, :-1:FINE] + share * taken[:, FINE::FINE]
    for inner in range(1, FINE):
        total += taken[:, inner::FINE][:, :width]
    return total * np.float32(1 / FINE)


def _strip(canvas: Canvas, width: int, daylight: float) -> tuple[slice, Picture]:
    """A moving thing: its rows in the frame, and its picture with a frame's width of nothing on either side."""
    light = canvas.exposed(daylight)
    rows = np.flatnonzero(light.any(axis=(1, 2)))
    rows_slice = slice(int(rows[0]), int(rows[-1]) + 1)
    return rows_slice, np.pad(light[rows_slice], ((0, 0), (FINE * (width + 1),) * 2, (0, 0)))


def _paste(frame: Picture, thing: tuple[slice, Picture], way: float) -> None:
    """Put a thing into a frame: at 0 it is just out of sight on the left, at 1 on the right."""
    (rows, strip), width = thing, frame.shape[1]
    own = strip.shape[1] / FINE - 2 * (width + 1)
    light = _cropped(strip, width + 1 + own - way * (width + own), width)
    frame[rows] = frame[rows] * (1 - light[..., 3:]) + light[..., :3]


def _noisy(scene: Iterator[Picture], rng: np.random.Generator) -> Iterator[Picture]:
    """Shot and read noise as a sensor adds them, then clipped at its full scale."""
    for light in scene:
        spread = np.sqrt(light / FULL_WELL + READ_NOISE**2)
        yield np.clip(light + spread * rng.standard_normal(light.shape, np.float32), 0, 1)


def _video_frame(light: Picture, number: int) -> av.VideoFrame:
    codes = np.round(light ** (1 / GAMMA) * 255).astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(codes, format="rgb24").reformat(
        format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
    )
    frame.pts, frame.time_base = number, Fraction(1, RATE)
    return frame


def _sound_frame(number: int, seconds: float) -> av.AudioFrame:
    """A soft chord for as long as a frame lasts; its notes swell in turn, each at its own place from left to right."""
    samples = SOUND_RATE // RATE
    time = (np.arange(samples) + number * samples) / SOUND_RATE
    both = np.zeros((2, samples))
    for index, pitch in enumerate(_CHORD):
        place = index / (len(_CHORD) - 1)
        note = np.sin(math.tau * pitch * time) * (0.6 + 0.4 * np.sin(math.tau * (0.23 * time + place)))
        both += 0.04 * np.array([[1 - 0.6 * place], [0.4 + 0.6 * place]]) * note
    both *= np.clip(np.minimum(time, seconds - time) / min(0.4, seconds / 4), 0, 1)  # in and out without a click
    frame = av.AudioFrame.from_ndarray(both.astype(np.float32), format="fltp", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, number * samples, Fraction(1, SOUND_RATE)
    return frame


def before_after(dark: Path, bright: Path, picture: Path) -> None:
    """Write a PNG of the middle frames of two clips: the dark one left, the bright one right, a white line between.

    Args:
        dark: a clip.
        bright: a clip of the same size.
        picture: the PNG; what is there is replaced.

    Raises:
        MediaError: a clip cannot be read, the clips differ in size, or the picture cannot be written.
    """
    left, right = _middle(dark), _middle(bright)
    if left.shape != right.shape:
        sizes = " and ".join(f"{shape[1]}x{shape[0]}" for shape in (left.shape, right.shape))
        raise MediaError(f"{dark} and {bright} are of {sizes}; give two clips of one size")
    line = np.full((len(left), 4, 3), 255, np.uint8)
    with whole_file(picture) as beside:
        av.VideoFrame.from_ndarray(np.concatenate([left, line, right], axis=1), format="rgb24").save(beside)


def _middle(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A clip's frame at half its time: (h, w, 3) RGB."""
    try:
        with open_media(path) as container:
            half, found = (container.duration or 0) / 2e6, None
            for found in container.decode(video=0):
                if (found.time or 0.0) >= half:
                    break
            if found is not None:
                return found.to_ndarray(format="rgb24").astype(np.uint8)
    except (FFmpegError, OSError, IndexError) as error:
        raise MediaError(f"{path} cannot be read: {error}; give a video file") from error
    raise MediaError(f"{path} holds no frame; give a video file")
