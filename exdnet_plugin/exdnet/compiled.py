"""The compiled extension, or None where the package was built without a compiler."""

try:
    from exdnet_plugin.exdnet import native
except ImportError:
    native = None  # type: ignore[assignment]

__all__ = ["native"]
