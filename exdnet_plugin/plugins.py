"""Finds plugins and keeps a broken one from hurting the host. Imports neither torch nor av."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

import pluggy

from exdnet_plugin import hookspecs, processors
from exdnet_plugin.errors import PluginError, in_a_line

if TYPE_CHECKING:
    from exdnet_plugin.processor import FrameProcessor
    from exdnet_plugin.report import Report
    from exdnet_plugin.stream_info import StreamInfo

log = logging.getLogger(__name__)
Factory = Callable[..., "FrameProcessor"]
BUILT_IN = "built-in"


@dataclass(frozen=True)
class PluginProblem:
    """A plugin, or part of one, that does not work, and why."""

    name: str
    distribution: str
    reason: str


@dataclass(frozen=True)
class PluginEntry:
    """A plugin that works: its name, its distribution with version, and the names it registered."""

    name: str
    distribution: str
    hooks: tuple[str, ...]
    processors: tuple[str, ...]


class Plugins:
    """The plugins of one host. Each host may have its own; :func:`default_plugins` is the one that commands share.

    Args:
        discover: look for installed plugins by entry point.
        strict: raise `PluginError` for a broken plugin instead of listing it in `problems`.
    """

    def __init__(self, *, discover: bool = True, strict: bool = False) -> None:
        self._strict = strict
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._factories: dict[str, Factory | str] = {}
        self._owners: dict[str, str] = {}
        self.entries: list[PluginEntry] = []
        self.problems: list[PluginProblem] = []
        self.add(processors, BUILT_IN, "exdnet-plugin")
        if discover:
            for point in entry_points(group=hookspecs.PROJECT):
                self._load(point)

    def _load(self, point: EntryPoint) -> None:
        distribution = f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"
        try:
            plugin = point.load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's import may raise anything; the host lives on
            self._problem(point.name, distribution, error)
            return
        self.add(plugin, point.name, distribution)

    def add(self, plugin: object, name: str, distribution: str = "this program") -> None:
        """Take a plugin in: all that it registers or, when a part is broken, nothing."""
        offered: dict[str, Factory | str] = {}
        try:
            self._check_name(name)
            self._manager.register(plugin, name)
            self._offer(plugin, offered)
        except Exception as error:  # noqa: BLE001 - see _load
            if self._manager.get_plugin(name) is plugin:
                self._manager.unregister(plugin)
            self._problem(name, distribution, error)
            return
        self._factories |= offered
        self._owners |= dict.fromkeys(offered, name)
        hooks = tuple(sorted(caller.name for caller in self._manager.get_hookcallers(plugin) or ()))
        self.entries.append(PluginEntry(name, distribution, hooks, tuple(offered)))

    def _check_name(self, name: str) -> None:
        for entry in self.entries:
            if entry.name == name:
                raise ValueError(f"plugin name {name!r} is taken by {entry.distribution}; uninstall one of the two")

    def _offer(self, plugin: object, offered: dict[str, Factory | str]) -> None:
        def register(name: str, factory: Factory | str) -> None:
            if name in self._factories or name in offered:
                owner = self._owners.get(name, "this plugin")
                raise ValueError(f"processor name {name!r} is taken by {owner}; choose another")
            if not name.isidentifier():
                raise ValueError(f"processor name {name!r} must be letters, digits and underscores, as an identifier")
            if not (callable(factory) or (isinstance(factory, str) and ":" in factory)):
                raise ValueError(
                    f"processor {name!r} is offered as {factory!r}; give a class, a function, or text as "
                    "'my_package.my_module:MyClass'"
                )
            offered[name] = factory

        for implementation in self._manager.hook.register_frame_processors.get_hookimpls():
            if implementation.plugin is plugin:
                implementation.function(register=register)

    def _problem(self, name: str, distribution: str, error: BaseException) -> None:
        problem = PluginProblem(name, distribution, in_a_line(error))
        if self._strict:
            raise PluginError(f"plugin {name} of {distribution} does not load: {problem.reason}") from error
        self.problems.append(problem)

    @property
    def processor_names(self) -> list[str]:
        """Every processor that a chain may name."""
        return sorted(self._factories)

    def owner(self, name: str) -> str:
        """The plugin that registered a processor."""
        return self._owners[name]

    def factory(self, name: str) -> Factory:
        """The factory of a processor.

        Raises:
            ValueError: there is no processor of that name; lists those there are.
            PluginError: it cannot be imported, whatever the import raised.
        """
        if name not in self._factories:
            raise ValueError(self._unknown(name))
        found = self._factories[name]
        if isinstance(found, str):
            found = self._imported(name, found)
            self._factories[name] = found
        return found

    def _unknown(self, name: str) -> str:
        near = get_close_matches(name, self.processor_names, 1)
        message = f"unknown processor {name!r}; there are {', '.join(self.processor_names)}"
        message += f" (did you mean {near[0]}?)" if near else ""
        broken = ", ".join(f"{problem.name}: {problem.reason}" for problem in self.problems)
        return message + (f". Plugins that do not load: {broken}" if broken else "")

    def _imported(self, name: str, target: str) -> Factory:
        module, _, attribute = target.partition(":")
        try:
            factory: Factory = getattr(importlib.import_module(module), attribute)
            if not callable(factory):
                raise TypeError(f"{attribute} is a {type(factory).__name__}; a class or a function is needed")
        except (Exception, SystemExit) as error:  # as in _load
            owner = self._owners[name]
            distribution = next(entry.distribution for entry in self.entries if entry.name == owner)
            raise PluginError(
                f"processor {name!r} of plugin {owner} cannot be imported from {target!r}: {in_a_line(error)}; "
                f"it comes with {distribution}"
            ) from error
        return factory

    def stream_opened(self, stream: StreamInfo) -> None:
        """Tell every plugin that a stream opened."""
        self._tell("stream_opened", stream=stream)

    def stream_closed(self, stream: StreamInfo, report: Report) -> None:
        """Tell every plugin that a stream ended."""
        self._tell("stream_closed", stream=stream, report=report)

    def _tell(self, hook: str, **arguments: Any) -> None:
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            wanted = {name: arguments[name] for name in implementation.argnames}
            try:
                implementation.function(**wanted)
            except Exception:  # an onlooker's fault must not end the stream that it looks at
                if self._strict:
                    raise
                log.exception("plugin %s failed in %s", implementation.plugin_name, hook)


@lru_cache(maxsize=1)
def default_plugins() -> Plugins:
    """The installed plugins, found once a process."""
    return Plugins()
