"""The Illumination Adaptive Transformer as the frame processor `iat`, with published weights.

IAT (Cui, Li, Gu, Su, Gao, Jiang, Qiao, Harada, "You Only Need 90K Parameters to Adapt Light", BMVC 2022) is the network
that ExdNet grew from. This package holds the network alone: the weights are their authors', and are not here. Take a
file of the folder IAT_enhance of github.com/cuiziteng/Illumination-Adaptive-Transformer:

    pip install ./examples/iat_plugin
    exdnet enhance night.mp4 bright.mp4 --chain iat=weights=best_Epoch_lol_v1.pth

| option | meaning |
|---|---|
| `weights` | a published file: `best_Epoch_lol_v1.pth`, `best_Epoch_lol.pth` (LOL-v2), `best_Epoch_exposure.pth`, or one of your own training |
| `signed` | whether these weights want pixels as `2x - 1`. By default what the published files want: `best_Epoch_lol.pth` does, others take pixels in [0, 1] |

Each frame is brightened for itself: where a video flickers, take `exdnet`, which smooths what flickers. On a CPU a 1080p
frame takes many seconds; `--quality realtime` runs the network on small frames, as it does for any other processor.
"""  # noqa: E501 - a table

from exdnet_plugin import hookimpl
from exdnet_plugin.hookspecs import Register


@hookimpl
def register_frame_processors(register: Register) -> None:
    """By name, so that torch is imported only for a chain that asks for it."""
    register("iat", "exdnet_iat.processor:Iat")
