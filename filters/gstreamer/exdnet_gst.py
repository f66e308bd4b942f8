"""The GStreamer element `exdnet`: brightens dark video in place. GStreamer loads it from `$GST_PLUGIN_PATH/python`.

What is heavy (torch) is imported when a pipeline starts, so that looking for plugins stays quick, and an environment
that is not found ends the pipeline with a message instead of hiding the element.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from functools import partial
from importlib import import_module
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstBase", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import GLib, GObject, Gst, GstBase, GstVideo  # noqa: E402 - versions are chosen before

if TYPE_CHECKING:
    from exdnet_plugin import FrameFilter

GOES_ON = 1.0  # seconds: frames further apart do not continue each other
FORMATS = "I420, NV12, RGB, I420_10LE, P010_10LE"
CAPS = Gst.Caps.from_string(f"video/x-raw, format={{ {FORMATS} }}")


class Exdnet(GstBase.BaseTransform):
    """Runs a chain of frame processors over the planes of each buffer."""

    __gtype_name__ = "Exdnet"

    __gstmetadata__ = (
        "ExdNet low-light enhancement",
        "Filter/Effect/Video",
        "Brightens dark video with ExdNet, or runs any chain of exdnet_plugin",
        "The exdnet-plugin developers",
    )
    __gsttemplates__ = tuple(
        Gst.PadTemplate.new(name, direction, Gst.PadPresence.ALWAYS, CAPS)
        for name, direction in (("sink", Gst.PadDirection.SINK), ("src", Gst.PadDirection.SRC))
    )

    chain = GObject.Property(
        type=str,
        default="exdnet",
        nick="Chain",
        blurb="Frame processors as `exdnet enhance --chain` takes them, e.g. exdnet=strength=0.8",
    )
    device = GObject.Property(type=str, default="auto", nick="Device", blurb="auto, cpu, cuda or cuda:N")
    strength = GObject.Property(
        type=float,
        default=1.0,
        minimum=0.0,
        maximum=1.0,
        nick="Strength",
        blurb="Of the chain exdnet: 0 leaves the picture, 1 is the network's result",
    )
    quality = GObject.Property(
        type=str,
        default="exact",
        nick="Quality",
        blurb="exact: every frame at full size; realtime: the chain on small frames, its colours transferred",
    )

    def __init__(self) -> None:
        super().__init__()
        self._info: Any = None
        self._filter: FrameFilter | None = None
        self._opened_with: tuple[str, str, str] | None = None
        self._frames, self._last, self._failed = 0, 0.0, False
        self._frame_time = 0  # nanoseconds that the last frame took
        self.set_in_place(True)
        self.set_qos_enabled(True)

    def do_start(self) -> bool:
        """From READY to PAUSED: import here, before a live pipeline's clock runs."""
        self._failed = False
        return self._succeeds(self._try)

    def do_stop(self) -> bool:
        """Back to READY: release the network."""
        return self._succeeds(self._close)

    def do_set_caps(self, incaps: Gst.Caps, outcaps: Gst.Caps) -> bool:
        """A stream begins, or goes on in another size, format or colour."""
        return self._succeeds(partial(self._open, incaps))

    def do_sink_event(self, event: Gst.Event) -> bool:
        """A flush and a new segment (a seek, a reconnect) end what frames have in common."""
        if (
            self._failed
            and Gst.EventType.get_flags(event.type) & Gst.EventTypeFlags.SERIALIZED
            and event.type != Gst.EventType.FLUSH_STOP
        ):
            return False  # behind an error a sink would wait for frames, and a pipeline that ends, for the sink
        if self._filter and event.type in (Gst.EventType.FLUSH_STOP, Gst.EventType.SEGMENT):
            self._succeeds(self._filter.reset)
        return bool(GstBase.BaseTransform.do_sink_event(self, event))

    def do_src_event(self, event: Gst.Event) -> bool:
        """A late frame at the sink: leave out as many as it is late, and as one takes, or the next is late as well."""
        done = bool(GstBase.BaseTransform.do_src_event(self, event))
        if event.type == Gst.EventType.QOS:
            _, proportion, late, timestamp = event.parse_qos()
            if late > 0:
                self.update_qos(proportion, late + self._frame_time, timestamp)
        return done

    def do_transform_ip(self, buffer: Gst.Buffer) -> Gst.FlowReturn:
        """One frame, in place."""
        return Gst.FlowReturn.OK if self._succeeds(partial(self._transform, buffer)) else Gst.FlowReturn.ERROR

    def _succeeds(self, step: Callable[[], None]) -> bool:
        """Whether a step went well. Its error is posted: PyGObject would print it and let the pipeline go on."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - whatever it is, the pipeline has to end
            if not self._failed:  # GStreamer asks again and again on its way out
                self._post(error)
            self._failed = True
            return False
        return True

    def _post(self, error: Exception) -> None:
        known = isinstance(error, ValueError) or type(error).__module__ == "exdnet_plugin.errors"
        text = str(error) if known else f"{type(error).__name__}: {error}"
        failure = GLib.Error.new_literal(Gst.stream_error_quark(), f"exdnet: {text}", Gst.StreamError.FAILED)
        debug = f"chain {self.chain!r}, strength {self.strength:g}, device {self.device!r}, quality {self.quality!r}"
        if not known:
            debug = "".join([debug, "\n", *traceback.format_exception(error)])
        self.post_message(Gst.Message.new_error(self, failure, debug))

    def _try(self) -> None:
        """Import, and open the chain once: a pipeline that is wrong does not start, which ends it most surely."""
        self._import()
        from exdnet_plugin import StreamInfo
        from exdnet_plugin.api import check_filter

        chain, device, quality = self._wanted()
        check_filter(StreamInfo(1920, 1080), chain=chain, device=device, quality=quality)  # type: ignore[arg-type]

    @staticmethod
    def _import() -> None:
        try:
            for needed in ("exdnet_plugin.api", "exdnet_plugin.filters.gstreamer.frames"):
                import_module(needed)
        except ImportError as error:
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            raise ValueError(
                f"{error}; GStreamer runs Python {version}. Put first on PYTHONPATH the site-packages folder of an "
                "environment of that version that has exdnet-plugin"
            ) from error

    def _open(self, caps: Gst.Caps) -> None:
        self._info = GstVideo.VideoInfo.new_from_caps(caps)
        self._reopen()

    def _reopen(self) -> None:
        from exdnet_plugin.filters.gstreamer.frames import stream_info

        from exdnet_plugin import open_filter

        self._close()
        chain, device, quality = self._wanted()
        self._filter = open_filter(stream_info(self._info), chain=chain, device=device, quality=quality)
        self._opened_with = chain, device, quality
        for note in self._filter.notes:
            Gst.warning(f"exdnet: {note}")

    def _wanted(self) -> tuple[str, str, str]:
        """The chain, with the strength in it, device and quality as the properties are now."""
        chain = str(self.chain)
        if self.strength != 1:
            if chain != "exdnet":
                raise ValueError(
                    f"strength {self.strength:g} is of the chain exdnet alone, and the chain is {chain!r}: "
                    "write it there, as chain=exdnet=strength=0.8,..."
                )
            chain = f"exdnet=strength={self.strength:g}"
        return chain, str(self.device), str(self.quality)

    def _close(self) -> None:
        opened, self._filter, self._opened_with = self._filter, None, None
        self._frames = 0
        if opened:
            opened.close()

    def _transform(self, buffer: Gst.Buffer) -> None:
        if self._opened_with != self._wanted():  # a property was set while the pipeline runs
            self._reopen()
        assert self._filter
        seconds = self._seconds(buffer)
        # A leaky queue marks each drop as a discontinuity, too: only a jump in time ends what frames have in common.
        if buffer.has_flags(Gst.BufferFlags.DISCONT) and not 0 <= seconds - self._last <= GOES_ON:
            self._filter.reset()
        begun, self._last = perf_counter_ns(), seconds
        self._brighten(self._filter, buffer, seconds)
        self._frame_time = perf_counter_ns() - begun
        self._frames += 1

    def _brighten(self, opened: FrameFilter, buffer: Gst.Buffer, seconds: float) -> None:
        from exdnet_plugin.filters.gstreamer.frames import plane_views

        # A decoder's or a camera's buffer may lie otherwise than its caps say: then it has a video meta.
        lies = GstVideo.buffer_get_video_meta(buffer) or self._info
        with buffer.map(Gst.MapFlags.READ | Gst.MapFlags.WRITE) as mapped:
            planes = plane_views(mapped.data, opened.stream, lies.offset, lies.stride)
            for plane, result in zip(planes, opened(planes, seconds), strict=True):
                plane[...] = result

    def _seconds(self, buffer: Gst.Buffer) -> float:
        if buffer.pts != Gst.CLOCK_TIME_NONE:
            return float(buffer.pts / Gst.SECOND)
        return float(self._frames * self._info.fps_d / (self._info.fps_n or 25 * self._info.fps_d))


GObject.type_register(Exdnet)
__gstelementfactory__ = ("exdnet", Gst.Rank.NONE, Exdnet)
