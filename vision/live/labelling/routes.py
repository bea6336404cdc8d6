"""What the page asks while one labels."""

from __future__ import annotations

from typing import Sequence

from aiohttp import web

from vision.live.labelling.session import FrozenFrame, LabelSession, parse_objects
from vision.live.labelling.store import LabelError, LabelledObject, SavedPicture
from vision.live.serving.answers import answering, in_thread, jpeg_response, json_body
from vision.pictures.reading import read_picture
from vision.pictures.writing import encode_picture

MOST_LISTED = 60  # saved pictures that the page shows
SHOWN_SUFFIXES = (".jpg", ".jpeg", ".png")  # that every browser shows as they are


class LabelRoutes:
    """Answers about the label folder. All names are looked up, none becomes a path."""

    def __init__(self, session: LabelSession) -> None:
        """Take what the answers are about."""
        self._session, self._store = session, session.store

    def table(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/api/labels", answering(self.labels)),
            web.post("/api/labels/classes", answering(self.classes)),
            web.post("/api/labels/freeze", answering(self.freeze)),
            web.get("/api/labels/frozen/{key}", answering(self.frozen)),
            web.get("/api/labels/frozen/{key}/picture.jpg", answering(self.frozen_picture)),
            web.post("/api/labels/save", answering(self.save)),
            web.post("/api/labels/undo", answering(self.undo)),
            web.get("/api/labels/saved/{name}", answering(self.saved)),
            web.get("/api/labels/saved/{name}/picture", answering(self.saved_picture)),
            web.get("/api/labels/saved/{name}/thumbnail.jpg", answering(self.thumbnail)),
        ]

    async def labels(self, request: web.Request) -> web.Response:
        """Return classes, counts and the newest saved pictures."""
        return web.json_response(await in_thread(self.describe))

    async def classes(self, request: web.Request) -> web.Response:
        """Replace the class list."""
        names = (await json_body(request)).get("names")
        if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            raise ValueError("names must be a list of names")
        await in_thread(self._store.set_class_names, names)
        return web.json_response(await in_thread(self.describe))

    async def freeze(self, request: web.Request) -> web.Response:
        """Freeze the newest frame."""
        await json_body(request)
        return web.json_response(_frozen(await in_thread(self._session.freeze)))

    async def frozen(self, request: web.Request) -> web.Response:
        """Return what is known of a frozen frame, also after a reload of the page."""
        return web.json_response(_frozen(self._session.frozen(request.match_info["key"])))

    async def frozen_picture(self, request: web.Request) -> web.Response:
        """Return the picture of a frozen frame as it will be saved."""
        return jpeg_response(self._session.frozen(request.match_info["key"]).jpeg)

    async def save(self, request: web.Request) -> web.Response:
        """Save a frozen frame, or a saved picture anew."""
        body = await json_body(request)
        objects, part = body.get("objects"), body.get("part")
        if isinstance(body.get("key"), str):
            saved = await in_thread(self._session.save, body["key"], objects, part)
        elif isinstance(body.get("name"), str):
            marked = parse_objects(objects)
            replace, revision = self._store.replace, str(body.get("revision"))
            saved = await in_thread(replace, body["name"], revision, marked, str(part))
        else:
            raise LabelError("save needs the key of a frozen picture or the name of a saved one")
        return web.json_response({"saved": _saved(saved), **await in_thread(self.describe)})

    async def undo(self, request: web.Request) -> web.Response:
        """Take back the last save of a picture."""
        name = (await json_body(request)).get("name")
        await in_thread(self._session.undo, str(name))
        return web.json_response(await in_thread(self.describe))

    async def saved(self, request: web.Request) -> web.Response:
        """Return what is marked on a saved picture."""
        picture = await in_thread(self._store.read, request.match_info["name"])
        return web.json_response(_saved(picture))

    async def saved_picture(self, request: web.Request) -> web.StreamResponse:
        """Return a saved picture itself, or as a JPEG where browsers may not show its format."""
        path = await in_thread(self._store.picture_path, request.match_info["name"])
        if path.suffix.lower() in SHOWN_SUFFIXES:
            return web.FileResponse(path)
        return jpeg_response(await in_thread(lambda: encode_picture(read_picture(path))))

    async def thumbnail(self, request: web.Request) -> web.Response:
        """Return a saved picture, small and with its boxes."""
        return jpeg_response(await in_thread(self._session.thumbnail, request.match_info["name"]))

    def describe(self) -> dict[str, object]:
        """Return the state of the folder for the page."""
        store = self._store
        return {
            "folder": str(store.folder),
            "classes": store.class_names,
            "begun": store.begun,
            "counts": store.counts(),
            "sets": store.set_sizes(),
            "pictures": len(store.names),
            "newest": store.names[-MOST_LISTED:][::-1],
        }


def _frozen(frozen: FrozenFrame) -> dict[str, object]:
    return {
        "key": frozen.key,
        "size": list(frozen.size),
        "objects": _objects(frozen.objects),
        "left_out": frozen.left_out,
        "saved": frozen.saved,
        "saving": frozen.saving,
    }


def _saved(picture: SavedPicture) -> dict[str, object]:
    return {
        "name": picture.name,
        "part": picture.part,
        "size": list(picture.size),
        "objects": _objects(picture.objects),
        "revision": picture.revision,
    }


def _objects(objects: Sequence[LabelledObject]) -> list[dict[str, object]]:
    return [{"name": one.name, "box": list(one.box)} for one in objects]
