"""ExdNet for video: brightens dark video and photos, as a plugin for PyAV pipelines and host applications.

The public names are loaded when they are first used, so that `import exdnet_plugin` is quick and imports neither torch
nor av.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from exdnet_plugin.hookspecs import hookimpl

if TYPE_CHECKING:
    from exdnet_plugin.api import enhance_image, enhance_video, open_filter
    from exdnet_plugin.errors import CheckpointError, ExdnetError, MediaError, PluginError
    from exdnet_plugin.exdnet.module import ExdNetModule
    from exdnet_plugin.frame_filter import FrameFilter
    from exdnet_plugin.plugins import Plugins
    from exdnet_plugin.processor import FrameProcessor
    from exdnet_plugin.report import Report
    from exdnet_plugin.stream_info import ColorFacts, StreamInfo

__version__ = "0.1.0"

_HOMES = {
    "enhance_image": "api",
    "enhance_video": "api",
    "open_filter": "api",
    "CheckpointError": "errors",
    "ExdnetError": "errors",
    "MediaError": "errors",
    "PluginError": "errors",
    "ExdNetModule": "exdnet.module",
    "FrameFilter": "frame_filter",
    "Plugins": "plugins",
    "FrameProcessor": "processor",
    "Report": "report",
    "ColorFacts": "stream_info",
    "StreamInfo": "stream_info",
}

__all__ = [
    "CheckpointError",
    "ColorFacts",
    "ExdNetModule",
    "ExdnetError",
    "FrameFilter",
    "FrameProcessor",
    "MediaError",
    "PluginError",
    "Plugins",
    "Report",
    "StreamInfo",
    "enhance_image",
    "enhance_video",
    "hookimpl",
    "open_filter",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; there are {', '.join(__all__)}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
