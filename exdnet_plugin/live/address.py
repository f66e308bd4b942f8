"""Addresses of live sources and sinks: their scheme, how they are shown to people, and what their errors mean."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from exdnet_plugin.errors import MediaError

_SECRETS = re.compile(r"(?i)([\w.-]*(?:pass|pwd|tok|key|secret|sig|auth|cred|jwt|streamid)[\w.-]*)=[^&]*")
_PEERS_ERRORS = {
    "ConnectionRefusedError": "refuses the connection: no server listens at that port",
    "HTTPUnauthorizedError": "refuses the user or password (401)",
}


def meaning(error: str) -> str | None:
    """What an error of FFmpeg's, by PyAV's name for it, means of a peer; None where that is not the peer's doing."""
    return _PEERS_ERRORS.get(error)


def hidden(url: str) -> str:
    """An address as it may stand in logs: without user, password, keys, and RTMP's stream name, which is one."""
    shown, (head, mark, rest) = url, url.partition("://")
    before, at, host = (rest if mark else head).rpartition("@")  # a password may hold / or #, which end a host's part
    if at and before and (mark or ":" in before):  # udp://@:5000 has no user
        shown = f"{head}://***@{host}" if mark else f"***@{host}"
    parts = urlsplit(shown)
    if parts.scheme in ("rtmp", "rtmps") and parts.path.count("/") > 1:
        shown = shown.replace(parts.path, parts.path.rpartition("/")[0] + "/***", 1)
    return _SECRETS.sub(r"\1=***", shown)


def scheme_of(text: str) -> str:
    """The scheme of a URL, `screen` or `lavfi`; empty for what is none.

    Raises:
        MediaError: its port is none: nothing would ever come.
    """
    match = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]+):", text)
    if text == "screen" or (match and match[1] in ("screen", "lavfi")):
        return text.partition(":")[0]
    if not match or not text[match.end() :].startswith("//"):
        return ""
    port = re.search(r":(\d+)$", urlsplit(text).netloc.rpartition("@")[2])
    if port and not 0 < int(port[1]) < 1 << 16:
        raise MediaError(f"{hidden(text)}: there is no port {port[1]}; take one of 1 to 65535")
    return match[1].lower()
