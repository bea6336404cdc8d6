"""What the routes share: bodies, errors, and work that must not hold up the event loop."""

from __future__ import annotations

import asyncio
import functools
import json
from typing import Any, Awaitable, Callable, TypeVar

from aiohttp import web

BODY_SECONDS = 15.0  # for the body of a request to come
Answer = TypeVar("Answer")
Route = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def in_thread(work: Callable[..., Answer], *arguments: object) -> Answer:
    """Do something slow, as to encode or to write a file, outside of the event loop."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, functools.partial(work, *arguments))


async def json_body(request: web.Request) -> dict[str, Any]:
    """Return the JSON object that a request has sent.

    Raises:
        ValueError: it is no JSON, or no object.
    """
    try:
        data = await asyncio.wait_for(request.read(), BODY_SECONDS)
        # JSON is UTF-8 whatever charset the head names: there need not be one of that name.
        body = json.loads(data.decode("utf-8"))
    except asyncio.TimeoutError:
        raise web.HTTPRequestTimeout from None
    except (ValueError, RecursionError):  # also for a number of more digits than Python reads
        raise ValueError("the request must be JSON") from None
    if not isinstance(body, dict):
        raise ValueError("the request must be a JSON object")
    return body


def answering(route: Route) -> Route:
    """Turn a ValueError or OSError of a route into an answer with its text.

    A ValueError that is a LookupError too is about something that is not there: 404.
    """

    @functools.wraps(route)
    async def answered(request: web.Request) -> web.StreamResponse:
        """Answer, or say what is wrong."""
        try:
            return await route(request)
        except ValueError as error:
            status = 404 if isinstance(error, LookupError) else 400
            return web.json_response({"error": str(error)}, status=status)
        except OSError as error:
            # A full disk, a folder that may not be written: not the viewer's fault.
            return web.json_response({"error": f"cannot save: {error.strerror}"}, status=500)

    return answered


def jpeg_response(data: bytes) -> web.Response:
    """Return a JPEG."""
    return web.Response(body=data, content_type="image/jpeg")
