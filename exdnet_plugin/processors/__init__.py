"""The built-in frame processors, offered through the hook that a stranger's plugin uses."""

from __future__ import annotations

from exdnet_plugin.hookspecs import Register, hookimpl


@hookimpl
def register_frame_processors(register: Register) -> None:
    """Offer the built-ins by import path: none is imported before a chain names it."""
    register("exdnet", "exdnet_plugin.processors.exdnet:ExdNetProcessor")
    register("denoise", "exdnet_plugin.processors.denoise:DenoiseProcessor")
    register("kornia", "exdnet_plugin.processors.kornia:KorniaProcessor")
    register("null", "exdnet_plugin.processors.null:NullProcessor")
