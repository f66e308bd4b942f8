"""What an evaluation was measured with, so that its figures can be had again."""

from __future__ import annotations

from datetime import UTC, datetime

from exdnet_plugin import __version__
from exdnet_plugin.chain import parse_chain
from exdnet_plugin.devices import resolve_device
from exdnet_plugin.exdnet.checkpoint import DEFAULT, load_weights


def measured_with(chain: str, device: str) -> dict[str, str]:
    """Chain, the weights in it with their sha256, device, version and date, by name.

    Raises:
        ValueError: the chain cannot be read, or the device is not there.
        CheckpointError: the chain's weights are none.
    """
    names = [link.options.get("weights", DEFAULT) for link in parse_chain(chain) if link.name == "exdnet"]
    weights = "; ".join(f"{name}, sha256 {load_weights(name).sha256}" for name in dict.fromkeys(names))
    return {"chain": chain} | ({"weights": weights} if names else {}) | {"device": resolve_device(device)} | stamp()


def stamp() -> dict[str, str]:
    """Version and date, by name."""
    return {"exdnet-plugin": __version__, "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")}
