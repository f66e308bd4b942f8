"""The hooks: all that a plugin may offer or be told of.

A plugin is a module or object with functions of these names, marked `@exdnet_plugin.hookimpl`, found through the
entry-point group `exdnet_plugin` or registered by hand with :class:`exdnet_plugin.plugins.Plugins`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

if TYPE_CHECKING:
    from exdnet_plugin.processor import FrameProcessor
    from exdnet_plugin.report import Report
    from exdnet_plugin.stream_info import StreamInfo

PROJECT = "exdnet_plugin"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Register(Protocol):
    """What `register_frame_processors` gets to call, once a processor."""

    def __call__(self, name: str, factory: Callable[..., FrameProcessor] | str) -> Any:
        """Offer a processor by the name that chains use.

        `factory` makes the processor; its keyword parameters are the options in a chain's text. As text,
        `module:attribute`, it is imported when a chain first names it, so that finding plugins stays quick.
        """


@hookspec
def register_frame_processors(register: Register) -> None:
    """Offer frame processors: call `register(name, factory)` for each."""


@hookspec
def stream_opened(stream: StreamInfo) -> None:
    """Told when a stream is opened, before its first frame."""


@hookspec
def stream_closed(stream: StreamInfo, report: Report) -> None:
    """Told when a stream has ended, well or not, with its frames, drops, seconds a stage and cuts."""
