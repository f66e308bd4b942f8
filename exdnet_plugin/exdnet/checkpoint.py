"""Weights in files: read without running code, checked against the network, written as safetensors with a passport."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from os.path import expanduser
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save
from torch import Tensor, nn

from exdnet_plugin.errors import CheckpointError
from exdnet_plugin.exdnet.exposures import LOL_CONSTANTS, ExposureConstants
from exdnet_plugin.exdnet.fade import Fade
from exdnet_plugin.exdnet.network import ExdNet

DEFAULT = "default"
SMALL = "small"  # for frames that were shrunk
_FACTS, _INTERVALS = "exdnet", "exposure_intervals"  # of metadata; first files had the intervals by themselves


@dataclass(frozen=True)
class Weights:
    """A network's weights, the exposure constants and the fade that belong to them, and their file's sha256."""

    state: dict[str, Tensor]
    constants: ExposureConstants
    sha256: str
    fade: Fade | None = None

    def network(self) -> ExdNet:
        """The training form with these weights."""
        network = ExdNet()
        network.load_state_dict(self.state)
        return network


def weights_path(name: str) -> Path:
    """The file of weights that ship with the package, by name, or of a path, in which `~` is the home folder.

    Raises:
        CheckpointError: there is no such name or file.
    """
    shipped = Path(str(files("exdnet_plugin.exdnet.weights")))
    inside = shipped / f"{name}.safetensors"
    if Path(name).name == name and inside.is_file():
        return inside
    path = Path(expanduser(name))
    if not path.is_file():
        known = ", ".join(sorted(path.stem for path in shipped.glob("*.safetensors")))
        raise CheckpointError(f"no weights {name!r}; give {known}, or a .safetensors or .pth file that exists")
    return path


def load_weights(name: str = DEFAULT) -> Weights:
    """Weights by shipped name or by path, `.safetensors` or `.pth` (loaded with `weights_only`: no code runs).

    Raises:
        CheckpointError: the file is missing, broken, or of another network; says what was found and what was expected.
    """
    path = weights_path(name)
    try:
        state, metadata = _read(path)
    except (safetensors.SafetensorError, OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path} cannot be read as weights: {reason}. A .safetensors file or a .pth state dict is needed"
        ) from None
    _check(path, state)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    constants, fade = _facts(path, metadata)
    return Weights(state, constants, sha256, fade)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if path.suffix == ".safetensors":
        with safetensors.safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118 - no mapping
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"PyTorch does not load it ({type(error).__name__})") from error
    for key in ("state_dict", "model", "params"):  # what training programs wrap a state dict in
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        run = " (a run's checkpoint; its weights are best.safetensors beside it)" if _is_checkpoint(loaded) else ""
        raise ValueError(f"it holds {type(loaded).__name__}, no state dict of tensors{run}")
    return {str(key).removeprefix("module."): value for key, value in loaded.items()}, {}


def _is_checkpoint(loaded: Any) -> bool:
    """Whether it is what `exdnet train` goes on from."""
    return isinstance(loaded, Mapping) and {"average", "optimizer", "step"} <= loaded.keys()


def faults_of(state: Mapping[str, Any], network: nn.Module) -> list[str]:
    """Why a state dict is not of a network: parameters that are missing, of another network, or of another shape."""
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    found = {key: tuple(getattr(value, "shape", ())) for key, value in state.items()}
    missing, extra = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    other = sorted(key for key in expected.keys() & found.keys() if expected[key] != found[key])
    faults = [
        f"{len(missing)} of {len(expected)} parameters are missing, as {missing[0]}" if missing else "",
        f"{len(extra)} are of another network, as {extra[0]}" if extra else "",
        f"{other[0]} is {found[other[0]]} instead of {expected[other[0]]}" if other else "",
    ]
    return [fault for fault in faults if fault]


def _check(path: Path, state: dict[str, Tensor]) -> None:
    if faults := faults_of(state, ExdNet()):
        raise CheckpointError(f"{path} holds no ExdNet weights: {'; '.join(faults)}. Give weights of ExdNet")
    broken = [key for key, value in state.items() if not torch.isfinite(value.float()).all()]
    if broken:
        raise CheckpointError(
            f"{path} holds values that are not finite in {broken[0]}; give weights of a run that did not diverge"
        )


def _facts(path: Path, metadata: Mapping[str, str]) -> tuple[ExposureConstants, Fade | None]:
    """The exposure constants and the fade that a file's metadata tell, or those of the published weights."""
    text = metadata.get(_FACTS, "{}")
    try:
        facts = json.loads(text)
        if _INTERVALS in metadata:
            facts[_INTERVALS] = json.loads(text := metadata[_INTERVALS])
        constants = ExposureConstants(
            tuple((float(a), float(b)) for a, b in facts.get(_INTERVALS, LOL_CONSTANTS.intervals))
        )
        return constants, Fade.of(facts["fade"]) if "fade" in facts else None
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: its exposure constants or fade {text!r} are wrong: {error}") from None


def weights_bytes(
    state: Mapping[str, Tensor], constants: ExposureConstants = LOL_CONSTANTS, fade: Fade | None = None
) -> bytes:
    """Weights as a safetensors file's content, their exposure constants and their fade in its metadata.

    The same weights give the same bytes: so there is one entry, since the library writes several in any order.
    """
    tensors = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    facts = {_INTERVALS: constants.intervals, **({"fade": asdict(fade)} if fade else {})}
    return save(tensors, metadata={_FACTS: json.dumps(facts)})
