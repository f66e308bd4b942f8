"""A host program with plugins of its own (pluggy) that offers our frame processors among its effects.

python host_application.py dark.png bright.png
"""

import sys
from collections.abc import Callable

import cv2
import numpy as np
import pluggy

import exdnet_plugin

Effect = Callable[[np.ndarray], np.ndarray]
hookspec, hookimpl = pluggy.HookspecMarker("darkroom"), pluggy.HookimplMarker("darkroom")


class DarkroomHooks:
    """The host's own contract: effects are functions from (H, W, 3) uint8 RGB to the same."""

    @hookspec
    def effects(self) -> dict[str, Effect]:
        """Effects by the name that users choose them by."""


class OfExdNet:
    """One plugin of the host: every frame processor that exdnet-plugin finds, strangers' ones, too."""

    def __init__(self, plugins: exdnet_plugin.Plugins) -> None:
        self._plugins = plugins

    @hookimpl
    def effects(self) -> dict[str, Effect]:
        names = [name for name in self._plugins.processor_names if name != "kornia"]  # which needs options
        return {name: self._effect(name) for name in names}

    def _effect(self, name: str) -> Effect:
        return lambda image: exdnet_plugin.enhance_image(image, chain=name, plugins=self._plugins)


class Mirrored:
    """Another plugin of the host."""

    @hookimpl
    def effects(self) -> dict[str, Effect]:
        return {"mirror": lambda image: np.ascontiguousarray(image[:, ::-1])}


darkroom = pluggy.PluginManager("darkroom")
darkroom.add_hookspecs(DarkroomHooks)
darkroom.register(OfExdNet(exdnet_plugin.Plugins()))
darkroom.register(Mirrored())
effects = {name: effect for found in darkroom.hook.effects() for name, effect in found.items()}

print("effects:", ", ".join(sorted(effects)))
if len(sys.argv) != 3:
    sys.exit(__doc__)
read = cv2.imread(sys.argv[1])
if read is None:
    sys.exit(f"{sys.argv[1]} is not a picture that OpenCV reads")
picture = read[:, :, ::-1]
for name in ("exdnet", "mirror"):
    picture = effects[name](np.ascontiguousarray(picture))
cv2.imwrite(sys.argv[2], picture[:, :, ::-1])
