"""Reads a chain's text and makes its processors.

The text is written like an FFmpeg filtergraph: processors separated by commas, options behind `=` and separated by
colons, as `exdnet=strength=0.8:smoothing=0.5,kornia=op=enhance.adjust_saturation:factor=1.2`. A comma, colon, quote or
backslash inside a value stands behind a backslash or between single quotes.
"""

from __future__ import annotations

import difflib
import inspect
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from exdnet_plugin.contract import Origin, guarded
from exdnet_plugin.errors import PluginError
from exdnet_plugin.processor import FrameProcessor, lacking

if TYPE_CHECKING:
    from exdnet_plugin.plugins import Factory, Plugins

_BOOLEANS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class Link:
    """One processor of a chain, as written."""

    name: str
    options: dict[str, str]


def parse_chain(text: str) -> list[Link]:
    """The links of a chain's text; ValueError says what is wrong and where."""
    links = [_parse_link(part, text) for part in _split(text, ",")]
    if not links:
        raise ValueError("the chain is empty; give at least one processor, or null to change nothing")
    return links


def _parse_link(part: str, text: str) -> Link:
    name, *rest = _split(part, "=", limit=1) or [""]
    name = _unescape(name).strip()
    if not name:
        where = f"before {part!r}" if part else "beside a comma"
        raise ValueError(f"chain {text!r}: a processor's name is missing {where}")
    if name.isdecimal():
        raise ValueError(f"chain {text!r}: {name!r} is no processor's name; write decimals with a point, as 0.5")
    if ":" in name:
        wanted = name.rstrip(":").replace(":", "=", 1)
        raise ValueError(f"chain {text!r}: {name!r} is no processor's name; options stand behind =, as {wanted}=…")
    options: dict[str, str] = {}
    for pair in _split(rest[0], ":") if rest else []:
        key, *value = _split(pair, "=", limit=1) or [""]
        key = _unescape(key).strip()
        if not key:
            where = f"before {pair!r}" if pair.strip() else "beside a colon"
            raise ValueError(f"chain {text!r}: an option of {name} is missing {where}; write option=value")
        if not value:
            raise ValueError(
                f"chain {text!r}: option {pair!r} of {name} has no value; write option=value, and put values with "
                "commas or colons between single quotes"
            )
        if key in options:
            raise ValueError(f"chain {text!r}: option {key!r} of {name} is given twice")
        options[key] = _unescape(value[0])
    return Link(name, options)


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    """Parts between unquoted, unescaped separators, quotes and backslashes kept."""
    parts: list[str] = []
    start, quoted, position = 0, False, 0
    while position < len(text):
        character = text[position]
        if character == "\\" and not quoted:
            position += 1
        elif character == "'":
            quoted = not quoted
        elif character == separator and not quoted and len(parts) != limit:
            parts.append(text[start:position])
            start = position + 1
        position += 1
    if quoted:
        raise ValueError(f"chain {text!r}: a quote is opened and not closed")
    parts.append(text[start:])
    return parts if text.strip() else []


def _unescape(text: str) -> str:
    result, quoted, escaped = [], False, False
    for character in text:
        if escaped:
            result.append(character)
            escaped = False
        elif character == "\\" and not quoted:
            escaped = True
        elif character == "'":
            quoted = not quoted
        else:
            result.append(character)
    return "".join(result)


def with_option(chain: str, name: str, option: str, value: str) -> str:
    """The chain's text with an option for each processor of a name that does not have it.

    Raises:
        ValueError: the chain has no such processor.
    """
    links = parse_chain(chain)
    if all(link.name != name for link in links):
        raise ValueError(f"{option} {value} is for processor {name}, which chain {chain!r} has not; leave it out")
    parts = _split(chain, ",")
    for position, link in enumerate(links):
        if link.name == name and option not in link.options:
            begun = "" if len(_split(parts[position], "=", limit=1)) > 1 else "="
            parts[position] += (":" if link.options else begun) + f"{option}={value}"
    return ",".join(parts)


def make_chain(chain: str | FrameProcessor | Sequence[FrameProcessor], plugins: Plugins) -> list[FrameProcessor]:
    """The processors of a chain, not opened yet. What the caller made, one or several, passes as it is.

    Raises:
        ValueError: a name or option that there is not, or a processor refuses.
        PluginError: a processor cannot be imported, or making it raised something else; so do its calls from then on.
    """
    if not isinstance(chain, str):
        processors: list[Any] = list(chain) if isinstance(chain, Sequence) else [chain]
        for processor in processors:
            if lacks := lacking(processor):
                raise ValueError(f"{processor!r} in the chain is no processor: it has no {lacks}; names go in one text")
        return processors
    return [_make(link, plugins.factory(link.name), plugins.owner(link.name)) for link in parse_chain(chain)]


def _make(link: Link, factory: Factory, plugin: str) -> FrameProcessor:
    values, origin = _options(link, factory), Origin(link.name, plugin)
    with origin.blamed("the factory", ValueError):
        processor = factory(**values)
    return guarded(processor, origin)


def _options(link: Link, factory: Factory) -> dict[str, Any]:
    """What a factory is called with for a link as written."""
    parameters = option_parameters(factory)
    takes_any = _takes_any(factory)
    values: dict[str, Any] = {}
    for key, text in link.options.items():
        if key in parameters:
            values[key] = _convert(text, parameters[key], f"option {key!r} of {link.name}")
        elif takes_any and key != "self":  # Python has given that one
            values[key] = text
        else:
            raise ValueError(f"{link.name} has no option {key!r}; {_known(key, parameters)}")
    missing = [name for name, p in parameters.items() if p.default is p.empty and name not in values]
    if missing:
        raise ValueError(f"{link.name} needs option {', '.join(map(repr, missing))}; write {link.name}={missing[0]}=…")
    return values


def _known(key: str, parameters: dict[str, inspect.Parameter]) -> str:
    if not parameters:
        return "it has none"
    near = difflib.get_close_matches(key, parameters, 1)
    return f"there are {', '.join(parameters)}" + (f" (did you mean {near[0]}?)" if near else "")


def option_parameters(factory: Factory) -> dict[str, inspect.Parameter]:
    """The options of a processor: its factory's named parameters, annotations resolved where they can be.

    Raises:
        PluginError: the factory does not tell its parameters, as classes of some extension modules do not.
    """
    try:
        signature = inspect.signature(factory, eval_str=True)
    except Exception:  # noqa: BLE001 - annotations are a stranger's text, at times for type checkers alone: values stay text
        try:
            signature = inspect.signature(factory)
        except ValueError as error:
            raise PluginError(f"{factory!r} does not tell its options ({error}); offer a function of them") from error
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: p for name, p in signature.parameters.items() if p.kind in kinds}


def _takes_any(factory: Factory) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(factory).parameters.values())


def _convert(text: str, parameter: inspect.Parameter, what: str) -> Any:
    """The text as the parameter's annotated type; text where there is no annotation that says otherwise."""
    kinds = _alternatives(parameter.annotation)
    if type(None) in kinds and text.lower() == "none":
        return None
    for kind in kinds:
        if typing.get_origin(kind) is Literal:
            allowed = typing.get_args(kind)
            if text not in map(str, allowed):
                raise ValueError(f"{what} is {text!r}; allowed are {', '.join(map(str, allowed))}")
            return next(value for value in allowed if str(value) == text)
        if kind in (bool, int, float, Path):
            return _number_or_path(text, kind, what)
    return text


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _number_or_path(text: str, kind: type, what: str) -> Any:
    try:
        return _BOOLEANS[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        needed = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise ValueError(f"{what} is {text!r}; it must be {needed}") from None
