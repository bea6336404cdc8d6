from __future__ import annotations

import json
import re
import socket
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

import pytest

from tests.live.live_parts import SquareFinder, running, until
from vision.live.serving.guard import Access, is_good_host, is_loopback, new_token, parse_serve
from vision.live.serving.server import LiveServer

TOKEN = "a token to open it"
JSON = {"Content-Type": "application/json"}
READS = ["/", "/api/state", "/api/labels", "/picture.jpg", "/stream.mjpg"]
WRITES = ["/api/settings", "/api/snapshot", "/api/record", "/api/labels/freeze", "/api/labels/save"]


@pytest.fixture
def locked(picture, tmp_path):
    access = Access(port=0, token=TOKEN)
    with running(picture, tmp_path, SquareFinder(), access=access) as demo:
        until(demo.pipeline.results.newest)
        yield demo


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("8080", ("127.0.0.1", 8080)),
        (":80", ("127.0.0.1", 80)),
        ("0.0.0.0:8080", ("0.0.0.0", 8080)),
        ("*:8080", ("0.0.0.0", 8080)),
        ("[::1]:80", ("::1", 80)),
        ("jetson.local:9", ("jetson.local", 9)),
    ],
)
def test_where_to_listen(text, place):
    assert parse_serve(text) == place


@pytest.mark.parametrize("text", ["", "x", "1:2:x", "70000", "-1", "80 "])
def test_where_not_to_listen(text):
    with pytest.raises(ValueError, match="HOST:"):
        parse_serve(text)


def test_beyond_this_machine_a_token_is_needed():
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.2", "jetson", "")))
    for host in ("0.0.0.0", "192.168.1.2", "jetson"):
        with pytest.raises(ValueError, match="needs a token"):
            Access(host)
    with pytest.raises(ValueError, match="at least 8"):
        Access("0.0.0.0", token="short")
    assert len({new_token() for _ in range(100)}) == 100
    assert len(new_token()) >= 20


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "::1", "0.0.0.0", "::", "192.168.1.2", "jetson.lan", "Jetson"],
)
def test_every_link_that_is_printed_is_served(host):
    access = Access(host, 8080, TOKEN)
    links = LiveServer(access, []).links()
    assert links
    for link in links:
        assert is_good_host(urlsplit(link).netloc, access), link
        assert is_good_host(urlsplit(link).netloc.lower(), access), link  # as browsers send it
    assert not is_good_host("evil.example:8080", access)


@pytest.mark.parametrize("path", READS)
def test_other_pages_are_refused_to_read(demo, path):
    for headers in (
        {"Host": "evil.example"},
        {"Host": f"evil.example:{demo.server.port}"},
        {"Host": "192.168.7.7"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "[bad"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[bad"},
        {"Origin": f"http://127.0.0.1:{demo.server.port + 1}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
    ):
        status, answer = demo.ask(path, headers=headers)
        assert status in (400, 403), (headers, answer)


@pytest.mark.parametrize("path", WRITES)
def test_other_pages_are_refused_to_write(demo, path):
    before = demo.settings.now, demo.keeper.names[:]
    body = json.dumps({"paused": True, "on": True}).encode()
    for headers in (
        {"Origin": "http://evil.example"},
        {"Host": "evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ):
        assert demo.ask(path, data=body, headers=headers)[0] == 403, headers
    assert (demo.settings.now, demo.keeper.names) == before
    assert not demo.keeper.recording
    assert not (demo.session.store.folder / "labels.txt").exists()


def test_the_page_itself_may_be_opened_from_elsewhere_and_by_its_names(demo):
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert demo.ask("/", headers=link)[0] == 200
    for host in ("localhost:1", "LOCALHOST", "127.0.0.1", "[::1]:8", socket.gethostname()):
        assert demo.ask("/api/state", headers={"Host": host})[0] == 200, host
    own = {"Origin": demo.address, "Sec-Fetch-Site": "same-origin"}
    assert demo.ask("/api/settings", {"threshold": 0.3}, headers=own)[0] == 200


def test_without_the_token_nothing_but_a_field_for_it(locked):
    for path in READS[1:]:
        assert locked.ask(path)[0] in (401, 404)
        assert locked.ask(f"{path}?token=wrong")[0] in (401, 404)
    for path in WRITES:
        assert locked.ask(path, {})[0] in (401, 404)
    status, page = locked.ask("/")
    assert status == 401
    assert b"type=password" in page
    assert TOKEN.encode() not in page
    assert b"not right" in locked.ask("/?token=wrong")[1]
    assert locked.ask("/page/style.css")[0] == 200


def test_the_link_opens_and_a_cookie_keeps_it_open(locked):
    with urlopen(f"{locked.address}/?token={quote(TOKEN)}") as answer:
        cookie = answer.headers["Set-Cookie"]
        assert answer.status == 200
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    kept = {"Cookie": cookie.split(";")[0]}
    assert locked.ask("/api/state", headers=kept)[0] == 200
    assert locked.ask("/api/settings", {"paused": True}, headers=kept)[0] == 200
    forged = {"Cookie": re.sub("token", "tokem", kept["Cookie"])}
    assert locked.ask("/api/state", headers=forged)[0] == 401
    no_text = {"Cookie": f"{cookie.split('=')[0]}=\xff"}
    assert locked.ask("/api/state", headers=no_text)[0] == 401


def test_the_link_opens_a_browser_that_keeps_the_cookie_of_an_earlier_run(locked):
    """Each run makes a new token, and browsers go by the port alone."""
    link = f"{locked.address}/?token={quote(TOKEN)}"
    old = {"Cookie": f"{cookie_of(link).split('=')[0]}=the-token-of-yesterday"}
    new = {"Cookie": cookie_of(link, old)}
    assert locked.ask("/api/state", headers=old)[0] == 401
    assert locked.ask("/api/state", headers=new)[0] == 200
    assert locked.ask("/?token=wrong", headers=new)[0] == 200
    assert b"not right" in locked.ask("/?token=wrong", headers=old)[1]


def cookie_of(link, headers=()):
    """Open a link; return the cookie that the answer sets."""
    with urlopen(Request(link, headers=dict(headers))) as answer:
        return answer.headers["Set-Cookie"].split(";")[0]


@pytest.mark.parametrize("token", [TOKEN, "100% a+b&c=d#e?/", "Schl\xfcssel \u20ac", 'a;b,"c"\\d'])
def test_the_link_that_is_printed_opens_with_any_token(picture, tmp_path, token):
    access = Access(port=0, token=token)
    with running(picture, tmp_path, SquareFinder(), access=access) as demo:
        link = demo.server.links()[0]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w.~%-]+", link, re.ASCII)
        assert demo.ask("/api/state", headers={"Cookie": cookie_of(link)})[0] == 200


@pytest.mark.parametrize(
    "name",
    [
        "..%2f..%2fetc%2fpasswd", "%2e%2e/labels.txt", "..\\labels.txt", "labels.txt", "a%00b",
        "%2fetc%2fpasswd", "scene", "x" * 5000,
    ],
)  # fmt: skip
def test_no_name_leads_out_of_the_folders(demo, name):
    for path in (f"/saved/{name}", f"/page/{name}", f"/api/labels/saved/{name}",
                 f"/api/labels/saved/{name}/picture", f"/api/labels/saved/{name}/thumbnail.jpg",
                 f"/api/labels/frozen/{name}/picture.jpg"):  # fmt: skip
        status, answer = demo.ask(path)
        assert status in (400, 404), (path, answer)
    for body in ({"name": name}, {"name": name, "revision": "", "objects": [], "part": "train"}):
        assert demo.ask("/api/labels/undo", body)[0] == 400
        assert demo.ask("/api/labels/save", body)[0] in (400, 404)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"[]", b"null", b"\xff", b'"x"', b"[" * 100_000, b'{"paused": NaN}',
        b'{"by": 1%s}' % (b"0" * 5000),
    ],
)  # fmt: skip
def test_bodies_that_are_no_json_object(demo, data):
    for path in (*WRITES, "/api/step", "/api/labels/undo", "/api/labels/classes"):
        status, answer = demo.ask(path, data=data)
        assert status in (400, 200 if path.endswith(("snapshot", "freeze")) else 400), (
            path,
            answer,
        )
        assert "Traceback" not in str(answer)


@pytest.mark.parametrize("charset", ["nonsense", "hex", "utf-16"])
def test_json_is_read_whatever_charset_it_claims_to_have(demo, charset):
    head = {"Content-Type": f"application/json; charset={charset}"}
    assert demo.ask("/api/settings", {"paused": False}, headers=head)[0] == 200


@pytest.mark.parametrize("by", [1.0, -1.0, True, False, 0, 2, 1e400, 10**400, "1", None, [1], {}])
def test_a_step_that_is_no_whole_number_does_not_end_the_player(demo, by):
    """JSON's 1.0 and true equal 1 in Python, and so pass a look into (1, -1)."""
    answer = demo.ask("/api/step", {"by": by})
    assert answer == (400, {"error": "by must be 1 or -1"})
    assert demo.ask("/api/step", {"by": 1})[0] == 200
    assert demo.pipeline.failure is None


@pytest.mark.parametrize("far", [10**400, -(10**400), 10**4000, float("inf"), True, "1", None])
def test_a_corner_that_is_no_number_of_pixels(demo, far):
    frozen = demo.ask("/api/labels/freeze", {})[1]
    body = {"key": frozen["key"], "part": "train"}
    for box in ([0, 0, 5, far], [far, 0, 5, 5]):
        status, answer = demo.ask(
            "/api/labels/save", {**body, "objects": [{"name": "red", "box": box}]}
        )
        assert (status, answer["error"][:17]) == (400, "an object must be"), box


def test_a_large_body_is_refused(demo):
    assert demo.ask("/api/settings", data=b" " * (1 << 19))[0] == 413


def test_every_answer_has_its_safe_headers(demo):
    for path in ("/", "/api/state", "/page/live.js"):
        with urlopen(demo.address + path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert demo.ask("/api/nothing")[0] == 404
    assert demo.ask("/api/settings")[0] == 405


def test_hostile_class_names_come_out_as_text(demo):
    names = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "]]>&amp;"]
    status, answer = demo.ask("/api/labels/classes", {"names": names})
    assert (status, answer["classes"]) == (200, names)
    frozen = demo.ask("/api/labels/freeze", {})[1]
    objects = [{"name": name, "box": [0, 0, 5, 5]} for name in names]
    body = {"key": frozen["key"], "objects": objects, "part": "train"}
    saved = demo.ask("/api/labels/save", body)[1]["saved"]
    text = (demo.session.store.folder / "Annotations" / f"{saved['name']}.xml").read_text()
    assert "<script>" not in text
    assert "<img" not in text
    assert [one["name"] for one in saved["objects"]] == names


def test_one_viewer_too_many(demo, monkeypatch):
    from vision.live.serving import streaming

    monkeypatch.setattr(streaming, "MOST_VIEWERS", 0)
    assert demo.ask("/stream.mjpg")[0] == 503
