"""The web server: one event loop in a thread of its own, beside the threads that see.

aiohttp rather than Flask behind waitress: each viewer of a stream would hold one of waitress's few
threads for hours, while here a viewer that has stalled is a coroutine that waits. It runs on Python
3.8 and comes as a wheel for aarch64.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from contextlib import suppress
from typing import Callable, Coroutine, TypeVar
from urllib.parse import quote

from aiohttp import web

from vision.live.serving.guard import MOST_BODY, TOKEN_PARAMETER, Access, guard

logger = logging.getLogger(__name__)

START_SECONDS = 10
STOP_SECONDS = 2
Done = TypeVar("Done")


class LiveServer:
    """Serves routes until it is stopped."""

    def __init__(self, access: Access, routes: list[web.RouteDef]) -> None:
        """Prepare; `start` listens."""
        self.access, self.port = access, access.port
        self._routes = routes
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="server")

    def start(self, *beside: Callable[[asyncio.AbstractEventLoop], None]) -> None:
        """Listen; return when requests are answered.

        Args:
            beside: called with the event loop before.

        Raises:
            OSError: the address cannot be had.
        """
        self._thread.start()
        for call in beside:
            call(self._loop)
        try:
            self._run(self._listen(), START_SECONDS)
        except OSError as error:
            host, port = self.access.host, self.access.port
            if not is_own_address(host):
                raise OSError(
                    f"cannot listen on {host}:{port}: {host} must be an address of this machine, "
                    f"and it is not; give --serve={port} for this machine alone, or "
                    f"--serve=0.0.0.0:{port} for its whole network"
                ) from error
            raise OSError(
                f"cannot listen on {host}:{port} ({error.strerror or error}); name another port "
                "with --serve"
            ) from error

    def stop(self) -> None:
        """End all connections and the thread."""
        if self._thread.is_alive():
            self._run(self._close(), STOP_SECONDS + 1)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(STOP_SECONDS)

    def links(self) -> list[str]:
        """Return the addresses to open, with the token where one is needed."""
        token = quote(self.access.token, safe="", errors="surrogateescape")
        query = f"/?{TOKEN_PARAMETER}={token}" if token else "/"
        hosts = [self.access.host]
        if self.access.host in ("0.0.0.0", "::"):
            hosts = [outward_address(), socket.gethostname()]
        texts = [f"[{host}]" if ":" in host else host for host in hosts if host]
        return [f"http://{text}:{self.port}{query}" for text in texts]

    def _run(self, work: Coroutine[object, object, Done], seconds: float) -> Done:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    async def _listen(self) -> None:
        application = web.Application(
            middlewares=[guard(self.access)],  # type: ignore[list-item]
            client_max_size=MOST_BODY,
        )
        application.add_routes(self._routes)
        self._runner = web.AppRunner(
            application, access_log=None, handle_signals=False, keepalive_timeout=30
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.access.host, self.access.port)
        await site.start()
        addresses = self._runner.addresses
        self.port = addresses[0][1] if addresses else self.access.port

    async def _close(self) -> None:
        if self._runner is not None:
            try:
                await asyncio.wait_for(self._runner.cleanup(), STOP_SECONDS)
            except asyncio.TimeoutError:
                logger.debug("a viewer was still connected")


def is_own_address(host: str) -> bool:
    """Tell whether this machine has an address or name, by listening there on any free port."""
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    except OSError:  # a name that nobody has
        return False
    for family, kind, _, _, place in found:
        with suppress(OSError), socket.socket(family, kind) as probe:
            probe.bind(place)
            return True
    return False


def outward_address() -> str:
    """Return this machine's address on the network, "" without one. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address that belongs to no one
            return probe.getsockname()[0]
        except OSError:
            return ""
