"""Loopback servers for the download tests: files over HTTP, S3 by moto, and faults in between."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Callable, Iterator

DRIP_SECONDS = 0.05


@dataclass
class Answer:
    """What a server would say if nothing went wrong."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Request:
    """A request; `attempt` counts those for the same path, from 0; `fault` is what it got."""

    method: str
    path: str
    headers: dict[str, str]
    attempt: int
    fault: str | None = None


# A fault is a name in Handler.FAULTS, or None. The plan chooses one for each request.
Plan = Callable[[Request], "str | None"]


@dataclass
class FaultyServer:
    """An HTTP server whose answers `source` gives, and which spoils those that `plan` names."""

    source: Callable[[Request], Answer]
    plan: Plan = lambda request: None
    requests: list[Request] = field(default_factory=list)
    faults: Counter = field(default_factory=Counter)
    attempts: Counter = field(default_factory=Counter)
    connections: int = 0
    port: int = 0  # any free one; the same again when it is entered again
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> FaultyServer:
        self.server = _Server(("127.0.0.1", self.port), _Handler)
        self.server.owner = self
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def note(self, method: str, path: str, headers: dict[str, str]) -> tuple[Request, str | None]:
        """Enter a request; return it and the fault that it gets."""
        with self.lock:
            request = Request(method, path, headers, self.attempts[path])
            self.attempts[path] += 1
            self.requests.append(request)
            fault = request.fault = self.plan(request)
            if fault:
                self.faults[fault] += 1
        return request, fault


def serve_files(files: dict[str, bytes], ranges: bool = True) -> Callable[[Request], Answer]:
    """Return a source of files by path, with strong tags and, if `ranges`, parts of them."""

    def source(request: Request) -> Answer:
        body = files.get(request.path)
        if body is None:
            return Answer(404, {}, b"no such file")
        tag = f'"{hashlib.sha1(body).hexdigest()}"'
        wanted = re.match(r"bytes=(\d+)-", request.headers.get("range", ""))
        if not (ranges and wanted and request.headers.get("if-range", tag) == tag):
            return Answer(200, {"ETag": tag}, body)
        start = int(wanted.group(1))
        if start >= len(body):
            return Answer(416, {"Content-Range": f"bytes */{len(body)}"}, b"")
        span = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return Answer(206, {"ETag": tag, "Content-Range": span}, body[start:])

    return source


def forward_to(port: int) -> Callable[[Request], Answer]:
    """Return a source that asks another server on this machine."""

    def source(request: Request) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        with contextlib.closing(connection):
            connection.request(request.method, request.path)
            response = connection.getresponse()
            headers = {name: response.headers[name] for name in ("ETag",) if response.headers[name]}
            if request.method == "HEAD":
                headers["Content-Length"] = response.headers["Content-Length"]
            return Answer(response.status, headers, response.read())

    return source


@contextlib.contextmanager
def moto_server() -> Iterator[int]:
    """Run moto's S3 server as a process of its own; yield its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", "from moto.server import main; main()", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        else:
            raise RuntimeError("moto's server did not start")
        yield port
    finally:
        process.kill()
        process.wait()


def fill_bucket(port: int, bucket: str, objects: dict[str, bytes]) -> None:
    """Put objects that everybody may read into a new bucket of moto's server."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for path, body in {
        f"/{bucket}": b"",
        **{f"/{bucket}/{k}": v for k, v in objects.items()},
    }.items():
        connection.request("PUT", path, body, {"x-amz-acl": "public-read"})
        response = connection.getresponse()
        response.read()
        assert response.status == 200, (path, response.status)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *details: object) -> None:
        """Clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        self.server.owner.connections += 1
        super().setup()

    def do_GET(self) -> None:
        server = self.server.owner
        headers = {name.lower(): value for name, value in self.headers.items()}
        request, fault = server.note(self.command, self.path, headers)
        if fault == "refuse":
            self._hang_up(reset=True)
        elif fault and fault.isdigit():
            self._send(Answer(int(fault), {}, b"<Error/>"))
        else:
            self._send(server.source(request), fault)

    do_HEAD = do_GET  # noqa: N815

    def _send(self, answer: Answer, fault: str | None = None) -> None:
        self.send_response(answer.status)
        headers = {"Content-Length": str(len(answer.body)), **answer.headers}
        body = answer.body if self.command == "GET" else b""
        if fault == "garble":
            body = body[: len(body) // 2] + bytes(len(body) - len(body) // 2)
        if fault == "tiny":
            headers["Content-Length"] = "1"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if fault in ("reset", "truncate", "stall"):
            self.wfile.write(body[: len(body) // 2])
            if fault == "stall":
                time.sleep(5)
            self._hang_up(reset=fault == "reset")
        elif fault == "drip":
            for byte in body:
                self.wfile.write(bytes([byte]))
                time.sleep(DRIP_SECONDS)
        else:
            self.wfile.write(body)

    def _hang_up(self, reset: bool) -> None:
        if reset:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR) if not reset else self.connection.close()

    def log_message(self, *words: object) -> None:
        """Keep the test output clean."""
