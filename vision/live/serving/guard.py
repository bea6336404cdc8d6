"""Who may ask for what: the checks that every request passes before anything else looks at it.

A page that anyone on the network, or any other page in the same browser, could reach would show
them the camera. So the name in the Host header must be one that an attacker's page cannot have
(against DNS rebinding), and what another page sends is refused (Origin, Sec-Fetch-Site). Beyond
this machine a token is needed, which the link on the terminal holds and a cookie keeps.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

TOKEN_PARAMETER = "token"
LEAST_TOKEN = 8  # letters
MOST_BODY = 1 << 18  # bytes of a request
SAFE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
OPEN_PREFIX = "/page/"  # scripts and styles, the same for everyone


@dataclass(frozen=True)
class Access:
    """Where the server listens, and what opens it."""

    host: str = "127.0.0.1"
    port: int = 8080
    token: str = ""  # "" needs none: only for addresses of this machine
    names: frozenset[str] = field(default_factory=frozenset)  # more names in the Host header

    def __post_init__(self) -> None:
        """Refuse what would leave the page open to the network."""
        if self.token and len(self.token) < LEAST_TOKEN:
            raise ValueError(f"a token must have at least {LEAST_TOKEN} letters; leave it out "
                             "to have one made")  # fmt: skip
        if not self.token and not is_loopback(self.host):
            raise ValueError(f"listening on {self.host} needs a token")

    @property
    def cookie(self) -> str:
        """Return the name of the cookie; browsers share cookies between ports."""
        return f"ssd_live_{self.port}"


def new_token() -> str:
    """Return a token that cannot be guessed."""
    return secrets.token_urlsafe(16)


def is_loopback(host: str) -> bool:
    """Tell whether only programs of this machine reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse_serve(text: str) -> tuple[str, int]:
    """Read [HOST:]PORT; without a host it is this machine alone.

    Raises:
        ValueError: no port, or one that cannot be.
    """
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise ValueError(f"expected [HOST:]PORT, such as 8080 or 0.0.0.0:8080, got {text!r}")
    host = host.strip("[]") or "127.0.0.1"
    return "0.0.0.0" if host == "*" else host, int(port)


def guard(access: Access) -> Handler:
    """Return the middleware of aiohttp that lets only good requests through."""

    @web.middleware
    async def checked(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request through, or answer in place of its handler."""
        fault = refusal(request, access)
        if fault:
            response: web.StreamResponse = web.json_response({"error": fault}, status=403)
        elif not is_known(request, access) and not request.path.startswith(OPEN_PREFIX):
            response = ask_for_token(request)
        else:
            try:
                response = await handler(request)
            except web.HTTPException as error:
                response = web.json_response({"error": error.reason}, status=error.status)
                response.headers.update(
                    {name: value for name, value in error.headers.items() if name == "Allow"}
                )
        if not response.prepared:
            response.headers.update(SAFE_HEADERS)
            remember(request, response, access)
        return response

    return checked  # type: ignore[return-value]  # aiohttp's types know middlewares only as such


def refusal(request: web.Request, access: Access) -> str:
    """Return why a request is refused whatever token it has, "" if it is not."""
    if not is_good_host(request.host, access):
        return (
            f"This page is not served under the name {request.host}; use the address that was "
            "printed, or start with --allow-host"
        )
    origin = request.headers.get("Origin")
    if origin is not None and not is_own_origin(origin, request.host):
        return "Requests of other pages are refused."
    if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        opens_the_page = request.method == "GET" and request.path == "/"
        if not (opens_the_page and request.headers.get("Sec-Fetch-Mode") == "navigate"):
            return "Requests of other pages are refused."
    # Only a script of this page can send JSON: a form of another one cannot.
    if request.method not in ("GET", "HEAD") and request.content_type != "application/json":
        return "Requests must be JSON."
    return ""


def is_good_host(host: str, access: Access) -> bool:
    """Tell whether a Host header names this server: by an address, or by a name of this machine.

    A name that --serve has is one of them: it leads here, whoever else has heard of it.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        own, served = socket.gethostname().lower(), access.host.lower()
        return name in {"localhost", own, f"{own.partition('.')[0]}.local", served, *access.names}
    # An address of the network in front of a server that only this machine reaches: a forgery.
    return address.is_loopback or not is_loopback(access.host)


def is_own_origin(origin: str, host: str) -> bool:
    """Tell whether an Origin header names the server that the Host header does."""
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:  # such as http://[x
        return False


def is_known(request: web.Request, access: Access) -> bool:
    """Tell whether a request has the token, in its cookie or in the link."""
    # A browser sends the cookie of an earlier run along with the link of this one.
    given = request.cookies.get(access.cookie, ""), request.query.get(TOKEN_PARAMETER, "")
    matches = [_same(one, access.token) for one in given]  # both, whatever the first one is
    return not access.token or any(matches)


def remember(request: web.Request, response: web.StreamResponse, access: Access) -> None:
    """Give a browser that came with the link the cookie, which no other page can use."""
    if access.token and _same(request.query.get(TOKEN_PARAMETER, ""), access.token):
        response.set_cookie(
            access.cookie, access.token, httponly=True, samesite="Strict", max_age=30 * 24 * 3600
        )


def ask_for_token(request: web.Request) -> web.Response:
    """Return a page with a field for the token, or the error for a program."""
    if request.path != "/":
        return web.json_response({"error": "The token is missing or wrong."}, status=401)
    wrong = "<p role=alert>This token is not right.</p>" if TOKEN_PARAMETER in request.query else ""
    return web.Response(
        status=401,
        content_type="text/html",
        text="<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        "<title>Token needed</title><link rel=stylesheet href=/page/style.css>"
        "<main class=door><h1>Token needed</h1>"
        "<p>Open the link that the program printed when it was started, or type its token.</p>"
        f"{wrong}<form action=/ method=get><label for=token>Token</label>"
        "<input id=token name=token type=password autocomplete=current-password required autofocus>"
        "<button>Open</button></form></main></html>",
    )


def _same(one: str, other: str) -> bool:
    # Bytes of a header that are no UTF-8 come as surrogates.
    pair = (text.encode("utf-8", "surrogatepass") for text in (one, other))
    return hmac.compare_digest(*pair)
