"""Planes in, planes out, on a device: what the pipeline, the live path and every host application hold."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from math import isfinite
from typing import Any, Literal, get_args

import torch
from numpy.typing import NDArray
from torch import Tensor

from exdnet_plugin.choices import check_choice
from exdnet_plugin.color import ColorConverter, assumed
from exdnet_plugin.contract import class_name, remembered_by, run_one
from exdnet_plugin.devices import devices_of
from exdnet_plugin.exdnet.memory import told_what_helps
from exdnet_plugin.hdr import from_working, is_hdr, to_working
from exdnet_plugin.lanes import Lanes, make_lanes
from exdnet_plugin.planes import Plane, as_tensor, check_planes
from exdnet_plugin.plugins import Plugins
from exdnet_plugin.processor import FrameProcessor, Resumable
from exdnet_plugin.realtime import Realtime
from exdnet_plugin.report import Report
from exdnet_plugin.stream_info import StreamInfo

Quality = Literal["exact", "realtime"]
State = Mapping[str, NDArray[Any]]
# Frames of whole batches, behind which a job goes on: few enough for a journal, enough to cost no quality.
SEGMENT = 120
CUDA_BATCH = 4
CUDA_BATCH_PIXELS = 1 << 23  # four frames of 1080p: larger frames go in fewer at a time, for the memory of small cards


class FrameFilter:
    """A chain of frame processors over the planes of one stream.

    Args:
        stream: what the frames are; its device is where they are processed.
        processors: the chain, not opened yet.
        plugins: who is told of the stream's opening and end.
        quality: `exact`, every frame at full size, or `realtime`: see :mod:`exdnet_plugin.realtime`.

    Raises:
        ValueError: the stream's pixel format or matrix is not handled.

    Attributes:
        notes: what was taken for granted, a line each.

    Planes are numpy arrays or CPU tensors in the stream's pixel format, of any strides: (h, w), or (h, w, channels)
    when interleaved, uint8 for 8 bits and uint16 above. They come back in the same form. The originals are not written
    to.
    """

    def __init__(
        self,
        stream: StreamInfo,
        processors: Sequence[FrameProcessor],
        plugins: Plugins | None = None,
        *,
        quality: Quality = "exact",
    ) -> None:
        check_choice("quality", quality, get_args(Quality))
        self.stream = stream
        self._converter = ColorConverter(stream)
        self._realtime = Realtime(stream, self._converter, self._through_chain) if quality == "realtime" else None
        self._processors = [processor for processor in processors if getattr(processor, "changes_pixels", True)]
        self._plugins = plugins
        self.notes = assumed(stream) if self._processors else []
        self._lanes: Lanes = make_lanes(stream.device)
        self._opened: list[FrameProcessor] = []
        self._frames = self._processed = self._snapshot_every = 0
        self._snapshots: deque[tuple[int, State]] = deque()
        self._closed = False
        try:
            for processor in self._processors:
                processor.open(self._realtime.small if self._realtime else stream)
                self._opened.append(processor)
                processor.reset()  # the caller's processors may have seen another stream
            self._lanes.settle()
        except BaseException:
            self._close_processors()
            raise
        if plugins:
            plugins.stream_opened(stream)

    @property
    def cuts(self) -> int:
        """Frames so far at which a processor's temporal state started anew."""
        return self._most("cuts")

    def _most(self, count: str) -> int:
        """The largest of a count that processors may keep."""
        return max((int(getattr(processor, count, 0)) for processor in self._processors), default=0)

    def __call__(self, planes: Sequence[Plane], time: float) -> list[Any]:
        """Filter one frame; `time` is its presentation time in seconds."""
        return next(iter(self.run([(planes, time)])))

    def run(self, frames: Iterable[tuple[Sequence[Plane], float]], *, snapshots: int = 0) -> Iterator[list[Any]]:
        """Filter frames in order, a passive generator; on a GPU several are in flight.

        Args:
            frames: (planes, time in seconds) of each frame.
            snapshots: behind every so many frames, a multiple of `batch`, :attr:`snapshot` is what processors
                remembered there; 0 is never.
        """
        as_arrays: deque[bool] = deque()
        self._snapshot_every = snapshots
        with told_what_helps():  # of frames on their way, colours, any processor: the network helps itself first
            for result in self._lanes.run(self._checked(frames, as_arrays), self._process, self.batch):
                self._frames += 1
                yield [plane.numpy() for plane in result] if as_arrays.popleft() else result

    @property
    def snapshot(self) -> State | None:
        """What processors remembered behind the frame that :meth:`run` gave last, where it took a snapshot."""
        while self._snapshots and self._snapshots[0][0] < self._frames:
            self._snapshots.popleft()
        return self._snapshots[0][1] if self._snapshots and self._snapshots[0][0] == self._frames else None

    @property
    def refresh(self) -> float:
        """For how many seconds quality `realtime` keeps what it fitted to a frame, while the picture stays alike."""
        return self._realtime.refresh if self._realtime else 0.0

    @refresh.setter
    def refresh(self, seconds: float) -> None:
        if self._realtime:
            self._realtime.refresh = seconds

    @property
    def batch(self) -> int:
        """How many frames are processed at once."""
        if not self.stream.device.startswith("cuda"):
            return 1
        most = max(1, min(CUDA_BATCH, CUDA_BATCH_PIXELS // (self.stream.width * self.stream.height)))
        most *= len(devices_of(self.stream.device))
        return next(size for size in range(min(most, SEGMENT), 0, -1) if SEGMENT % size == 0)

    @property
    def step(self) -> int:
        """Behind how many frames a job keeps what processors remember: each, or 120 of batches or where it is much."""
        return SEGMENT if self.batch > 1 or self.remembers_pictures else 1

    @property
    def remembers_pictures(self) -> bool:
        """Whether what processors remember is as large as a frame."""
        return any(getattr(processor, "remembers_pictures", False) for processor in self._processors)

    def restore(self, state: State) -> None:
        """Let processors remember what a snapshot holds. ValueError when it is not of this chain."""
        for index, processor in enumerate(self._processors):
            own = {
                key.partition(".")[2]: torch.from_numpy(value.copy())
                for key, value in state.items()
                if key.startswith(f"{index}.")
            }
            if not isinstance(processor, Resumable):
                continue
            try:
                processor.restore(own)
            except (KeyError, ValueError) as error:
                raise ValueError(f"{class_name(processor)} cannot go on from what was kept: {error}") from error

    def remembered(self) -> State:
        """What processors remember behind the frames so far, for :meth:`restore`, here or in another filter.

        Raises:
            PluginError: a processor's state is no dict of tensors.
        """
        state: dict[str, NDArray[Any]] = {}
        for index, processor in enumerate(self._processors):
            if isinstance(processor, Resumable):
                state |= {f"{index}.{name}": value for name, value in remembered_by(processor).items()}
        return state

    @property
    def forgetful(self) -> list[str]:
        """Processors that cannot tell what they remember, by class: a job that is resumed starts them anew."""
        return [class_name(processor) for processor in self._processors if not isinstance(processor, Resumable)]

    def _checked(
        self, frames: Iterable[tuple[Sequence[Plane], float]], as_arrays: deque[bool]
    ) -> Iterator[tuple[list[Tensor], float]]:
        for planes, time in frames:
            if not isfinite(time):
                raise ValueError(f"time {time}: a frame's presentation time in seconds is needed")
            check_planes(planes, self._converter.layout, self.stream)
            as_arrays.append(not isinstance(planes[0], Tensor))
            yield [plane if isinstance(plane, Tensor) else as_tensor(plane) for plane in planes], time

    @torch.inference_mode()
    def _process(self, batch: list[list[Tensor]], times: list[float]) -> list[list[Tensor]]:
        """Planes of a batch, on the device, to planes of the same format there."""
        if self._closed:
            raise ValueError("the filter is closed; open another")
        results = self._chained(batch, times) if self._processors else batch
        self._processed += len(batch)
        if self._snapshot_every and self._processed % self._snapshot_every == 0:
            self._snapshots.append((self._processed, self.remembered()))
        return results

    def _chained(self, batch: list[list[Tensor]], times: list[float]) -> list[list[Tensor]]:
        moments = torch.tensor(times, dtype=torch.float64)
        if self._realtime:
            return [self._realtime(planes, time) for planes, time in zip(batch, moments.split(1), strict=True)]
        frames = [self._converter.to_rgb(planes) for planes in batch]
        whole = torch.cat(frames) if len(frames) > 1 else frames[0]
        rgb = self._through_chain(whole, moments)
        return [self._converter.from_rgb(frame, planes) for frame, planes in zip(rgb.split(1), batch, strict=True)]

    def _through_chain(self, whole: Tensor, times: Tensor) -> Tensor:
        """RGB frames through the processors. Super-white and the like go around them, so that nothing is clipped."""
        rgb = whole.clamp(0, 1)
        beyond = whole - rgb
        transfer = self.stream.color.transfer
        excess = None
        if is_hdr(transfer):
            rgb, excess = to_working(rgb, transfer)
        for processor in self._processors:
            rgb = run_one(processor, rgb, times)
        rgb = rgb if excess is None else from_working(rgb, excess, transfer)
        return rgb.add_(beyond)

    def reset(self) -> None:
        """Forget what came before: a seek, a reconnect."""
        for processor in self._processors:
            processor.reset()
        if self._realtime:
            self._realtime.reset()

    def close(self, report: Report | None = None) -> None:
        """Close the processors and tell the plugins, with the caller's report or the filter's own counts. Once only.

        What a processor's `close` raises comes when all are closed and the plugins are told.
        """
        if self._closed:
            return
        self._closed = True
        report = report or Report(frames=self._frames)
        try:
            self._lanes.settle()  # counts are there when the frames are: some may be under way where a job was stopped
            report.cuts, report.lit = self.cuts, self._most("lit")
            self._close_processors()
        finally:
            if self._plugins:
                self._plugins.stream_closed(self.stream, report)

    def _close_processors(self) -> None:
        """Close all, the last one first, also where one of them raises."""
        with ExitStack() as closing:
            for processor in self._opened:
                closing.callback(processor.close)
            self._opened = []

    def __enter__(self) -> FrameFilter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
