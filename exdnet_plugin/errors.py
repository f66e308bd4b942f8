"""The errors of our own. Wrong arguments are `ValueError`; these are for what comes from outside.

Every message says the value, what is allowed, and the remedy, in one line: the command line prints it as it is.
"""

from __future__ import annotations


class ExdnetError(Exception):
    """Any error of this package that is not a wrong argument."""


class MediaError(ExdnetError):
    """A source cannot be read or a sink cannot be written. Raised by `exdnet_plugin.media`."""


class CheckpointError(ExdnetError):
    """A file holds no weights of this network. Raised by `exdnet_plugin.exdnet.checkpoint`."""


class PluginError(ExdnetError):
    """A plugin's processor cannot be imported, raised or broke the contract; a plugin does not load, if strict."""


def in_a_line(error: BaseException) -> str:
    """An error's class and what it says, for a line of text."""
    return ": ".join(filter(None, (type(error).__name__, " ".join(str(error).split()))))
