"""Who may see the page: on loopback, pages of this machine only; elsewhere, who has the token."""

from __future__ import annotations

import ipaddress
import secrets
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",  # the address may hold the token
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host name or address."""
    if host.lower().removesuffix(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """Refuses requests before they reach anything.

    Args:
        token: what a request must carry, as `?token=` or in the cookie that this sets; None asks for none, and lets
            in only who names this machine by a loopback name: another site's name that resolves here is refused.
    """

    def __init__(self, token: str | None) -> None:
        self._token = token

    @property
    def middleware(self) -> Middleware:
        """As aiohttp takes it."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            refusal = self._refusal(request)
            response = refusal or await _answered(request, handler)
            if not response.prepared:
                response.headers.update(HEADERS)
                if self._token and not refusal and "token" in request.query:
                    response.set_cookie(_cookie(request), self._token, httponly=True, samesite="Strict")
            return response

        return guard

    def _refusal(self, request: web.Request) -> web.Response | None:
        host = urlsplit(f"//{request.host}")
        if self._token is None and not is_loopback(host.hostname or ""):
            return web.Response(status=403, text=f"host {request.host} is not this machine's loopback; open localhost")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            return web.Response(status=403, text=f"origin {origin} is not this page's; open the page itself")
        return self._token_refusal(request) if self._token else None

    def _token_refusal(self, request: web.Request) -> web.Response | None:
        given = request.query.get("token") or request.cookies.get(_cookie(request))
        if not given:
            return web.Response(status=401, text="the token is missing; open the address that exdnet preview printed")
        if not secrets.compare_digest(given.encode(), (self._token or "").encode()):
            return web.Response(status=403, text="the token is wrong; open the address that exdnet preview printed")
        return None


def _cookie(request: web.Request) -> str:
    """The cookie's name: browsers keep one jar for all ports of a host."""
    return f"exdnet-preview-{urlsplit(f'//{request.host}').port or 0}"


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:  # 404 and the like, with the same headers
        return web.Response(status=error.status, text=error.reason)
