"""The page and what it asks while one only looks: state, settings, snapshots, recordings."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from aiohttp import web

from vision.live.labelling.session import LabelSession
from vision.live.pipeline import Pipeline
from vision.live.saving import Keeper
from vision.live.serving.answers import answering, in_thread, jpeg_response, json_body
from vision.live.serving.streaming import PictureStream
from vision.utils.files import path_inside

PAGE = Path(__file__).with_name("page")
CONTENT_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


class ViewRoutes:
    """Answers about one pipeline."""

    def __init__(
        self,
        pipeline: Pipeline,
        stream: PictureStream,
        keeper: Keeper,
        session: LabelSession | None,
    ) -> None:
        """Take what the answers are about."""
        self._pipeline, self._stream = pipeline, stream
        self._keeper, self._session = keeper, session
        self._page = {path.name: path.read_text("utf-8") for path in PAGE.iterdir()}

    def table(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/", self.index),
            web.get("/page/{name}", self.asset),
            web.get("/stream.mjpg", self._stream.serve),
            web.get("/picture.jpg", self.picture),
            web.get("/api/state", self.state),
            web.post("/api/settings", answering(self.change)),
            web.post("/api/step", answering(self.step)),
            web.post("/api/snapshot", answering(self.snapshot)),
            web.post("/api/record", answering(self.record)),
            web.get("/saved/{name}", answering(self.saved)),
        ]

    async def index(self, request: web.Request) -> web.Response:
        """Return the page."""
        return web.Response(text=self._page["index.html"], content_type="text/html")

    async def asset(self, request: web.Request) -> web.Response:
        """Return a script or style of the page."""
        name = request.match_info["name"]
        if name not in self._page:
            raise web.HTTPNotFound
        return web.Response(text=self._page[name], content_type=CONTENT_TYPES[Path(name).suffix])

    async def picture(self, request: web.Request) -> web.Response:
        """Return one picture as it is shown."""
        picture = await self._stream.newest()
        if picture is None:
            raise web.HTTPServiceUnavailable(reason="There is no picture yet.")
        return jpeg_response(picture.jpeg)

    async def state(self, request: web.Request) -> web.Response:
        """Return everything that the page shows beside the picture."""
        return web.json_response(self.describe())

    async def change(self, request: web.Request) -> web.Response:
        """Change settings, for everyone."""
        self._pipeline.settings.change(await json_body(request))
        return web.json_response(self.describe())

    async def step(self, request: web.Request) -> web.Response:
        """Go to the next picture of a folder, or to the one before."""
        by = (await json_body(request)).get("by")
        # 1.0 and true equal 1, but no list of pictures can be asked for number 1.0.
        if type(by) is not int or by not in (1, -1):
            raise ValueError("by must be 1 or -1")
        self._pipeline.player.step(by)
        return web.json_response(self.describe())

    async def snapshot(self, request: web.Request) -> web.Response:
        """Save what is seen, at full size."""
        await json_body(request)
        newest = self._pipeline.results.newest()
        if newest is None:
            raise ValueError("there is no picture yet")
        name = await in_thread(self._keeper.snapshot, newest.item)
        return web.json_response({"name": name, **self.describe()})

    async def record(self, request: web.Request) -> web.Response:
        """Begin or end a recording."""
        wanted = (await json_body(request)).get("on")
        if wanted is True:
            self._keeper.start_recording()
        elif wanted is False:
            await in_thread(self._keeper.stop_recording)
        else:
            raise ValueError("on must be true or false")
        return web.json_response(self.describe())

    async def saved(self, request: web.Request) -> web.StreamResponse:
        """Return a file that this run has saved; any other name is unknown."""
        name = request.match_info["name"]
        if name not in self._keeper.names:
            raise web.HTTPNotFound
        return web.FileResponse(path_inside(self._keeper.folder, name))

    def describe(self) -> dict[str, object]:
        """Return the state for the page."""
        pipeline, settings = self._pipeline, self._pipeline.settings.now
        finder = pipeline.finder
        newest = pipeline.results.newest()
        found: Counter[str] = Counter()
        if newest is not None:
            found.update(pipeline.class_names[n] for n in newest.item.detections.labels)
        return {
            "now": time.monotonic(),
            "source": self._describe_source(),
            "size": list(newest.item.frame.image.shape[1::-1]) if newest else None,
            "settings": {
                "threshold": settings.threshold,
                "clustering": settings.clustering,
                "hidden": sorted(settings.hidden),
                "paused": settings.paused,
            },
            "least_threshold": pipeline.settings.least_threshold,
            "classes": pipeline.class_names[1:] if finder else [],
            "detector": finder.path.name if finder else None,
            "found": dict(found),
            "rates": {
                "source": round(pipeline.player.meter.rate, 1),
                "detect": round(pipeline.meters["detect"].rate, 1),
            },
            "milliseconds": {
                name: round(meter.mean * 1000, 1) for name, meter in pipeline.meters.items()
            },
            "viewers": self._stream.viewers,
            "recording": self._keeper.recording,
            "message": self._keeper.message,
            "saved": self._keeper.names[-12:],
            "bytes": {"written": self._keeper.budget.written, "limit": self._keeper.budget.limit},
            "labelling": self._session is not None,
        }

    def _describe_source(self) -> dict[str, object]:
        player = self._pipeline.player
        state = player.state
        phase, message = state.phase, state.message
        silence = player.silence()
        if silence:
            phase, message = "stalled", f"No picture for {silence:.0f} seconds."
        if self._pipeline.failure is not None:
            phase, message = "failed", f"Stopped: {self._pipeline.failure}"
        newest = player.slot.newest()
        return {
            "name": player.name,
            "live": player.live,
            "pictures": player.pictures,
            "phase": phase,
            "message": message,
            "number": state.number,
            "frames": state.frames,
            "file": newest.item.name if newest else "",
        }
