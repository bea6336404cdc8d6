"""Servers that answer with nonsense, or to do harm: one line with the address, no traceback."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
import urllib.request

import pytest

from tests.download.pictures import draw_jpeg
from tests.download.servers import Answer, FaultyServer, serve_files
from vision.download.coco.sources import WebSource
from vision.download.transfer import http as http_module
from vision.download.transfer.http import WebRedirects, read_url, url_length
from vision.download.transfer.pictures import DownloadReport, Picture, download_pictures
from vision.download.transfer.retry import (
    DownloadError,
    NameLookupError,
    RetryPolicy,
    TransientError,
)
from vision.download.transfer.s3 import open_bucket
from vision.download.transfer.whole_file import download_file

BODY = draw_jpeg(1)
QUICK = RetryPolicy(attempts=3, timeout=2, first_delay=0.001, longest_delay=0.002)
# An answer, whether another attempt may mend it, and what the message has besides the address.
HEADERS = {
    "length: digits that are not ASCII": ({"Content-Length": "\xb2"}, True, "a length of '²'"),
    "length: negative": ({"Content-Length": "-5"}, True, "a length of '-5'"),
    "length: signed": ({"Content-Length": "+5"}, True, "a length of '+5'"),
    "length: a word": ({"Content-Length": "many"}, True, "a length of 'many'"),
    "length: empty": ({"Content-Length": ""}, True, "a length of ''"),
    "length: endless": ({"Content-Length": "9" * 5000}, True, "a length of '999"),
    "length: larger than any": ({"Content-Length": "9" * 17}, True, "closed after"),
    "chunks: no number": ({"Transfer-Encoding": "chunked"}, True, "IncompleteRead"),
}
STATUSES = {
    "redirect: no address": (302, {"Location": "http://[::1"}, True, "'http://[::1', which is no"),
    "redirect: no port": (302, {"Location": "http://a:b/"}, True, "which is no address"),
    "redirect: endless port": (302, {"Location": f"http://h:{'9' * 30}/"}, True, "is no address"),
    "redirect: no host": (302, {"Location": "http://a..b/"}, True, "which is no address"),
    "redirect: nowhere": (302, {}, True, "does not say where to"),
    "redirect: file": (302, {"Location": "file:///etc/passwd"}, False, "no address of the web"),
    "redirect: ftp": (307, {"Location": "ftp://host/file"}, False, "no address of the web"),
    "redirect: script": (301, {"Location": "javascript:alert(1)"}, False, "no address of the web"),
    "redirect: circle": (302, {"Location": "/f"}, False, "in a circle"),
    "status: unknown": (999, {}, False, "refused with status 999"),
    "status: not modified": (304, {}, False, "refused with status 304"),
    "retry after: not ASCII": (503, {"Retry-After": "\xb2"}, True, "answered 503"),
}

MENDED = [
    *(case for case, answer in HEADERS.items() if answer[1] and "larger than any" not in case),
    *(case for case, answer in STATUSES.items() if answer[2]),
]


def serve(status, headers):
    return FaultyServer(lambda request: Answer(status, headers, BODY if status == 200 else b""))


def check(server, ask, transient, text):
    with pytest.raises(DownloadError, match=re.escape(text)) as caught:
        ask(f"{server.url}/f")
    assert isinstance(caught.value, TransientError) == transient
    assert server.url in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", HEADERS)
def test_a_picture_with_bad_headers(case, monkeypatch):
    headers, transient, text = HEADERS[case]
    with serve(200, headers) as server:
        check(server, lambda url: read_url(url, QUICK), transient, text)


@pytest.mark.parametrize("case", STATUSES)
def test_a_picture_behind_a_bad_status(case):
    status, headers, transient, text = STATUSES[case]
    with serve(status, headers) as server:
        check(server, lambda url: read_url(url, QUICK), transient, text)
        check(server, lambda url: url_length(url, QUICK), transient, text)


@pytest.mark.parametrize("case", [*HEADERS, *STATUSES])
def test_a_file_is_given_up_with_one_line(case, tmp_path):
    status, headers, transient, text = (200, *HEADERS[case]) if case in HEADERS else STATUSES[case]
    if case == "length: larger than any":  # than the disk, too
        transient, text = False, "make room"
    with serve(status, headers) as server:
        check(server, lambda url: download_file(url, tmp_path / "f", QUICK), False, text)
        asked = {request.attempt for request in server.requests}
    assert not (tmp_path / "f").exists()
    if "circle" not in case:
        assert len(asked) == (QUICK.attempts if transient else 1)


@pytest.mark.parametrize("case", MENDED)
def test_what_is_bad_once_only_is_mended_by_another_attempt(case, tmp_path):
    status, headers = (200, HEADERS[case][0]) if case in HEADERS else STATUSES[case][:2]
    good = serve_files({"/f": BODY})

    def source(request):
        return good(request) if request.attempt else Answer(status, headers, b"")

    with FaultyServer(source) as server:
        download_file(f"{server.url}/f", tmp_path / "f", QUICK)
    assert (tmp_path / "f").read_bytes() == BODY


@pytest.mark.parametrize(
    "content_range",
    [
        "bytes \xb2-9/99",
        "bytes 5-9/\xb2",
        "bytes 5-9/*",
        "bytes -5-9/99",
        f"bytes 5-9/{'9' * 5000}",
        f"bytes {'0' * 5000}5-9/99",
        "words",
        "",
    ],
)
@pytest.mark.parametrize("status", [206, 416])
def test_a_range_that_is_none_starts_it_over(tmp_path, content_range, status):
    good = serve_files({"/f": BODY})

    def source(request):
        if "range" in request.headers:
            return Answer(status, {"Content-Range": content_range}, b"xyz")
        return good(request)

    (tmp_path / "f.part").write_bytes(BODY[:5])
    (tmp_path / "f.part.tag").write_text('"1"')
    with FaultyServer(source) as server:
        download_file(f"{server.url}/f", tmp_path / "f", QUICK)
    assert (tmp_path / "f").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize("tag", ["\xb2\xff", '"1"\r\n X: y', "x" * 9000])
def test_a_tag_that_cannot_be_sent_back(tmp_path, tag):
    good = serve_files({"/f": BODY})
    half = BODY[: len(BODY) // 2]

    def source(request):
        answer = good(request)
        if request.attempt == 0:
            return Answer(200, {"ETag": tag, "Content-Length": str(len(BODY))}, half)
        return answer

    with FaultyServer(source) as server:
        download_file(f"{server.url}/f", tmp_path / "f", QUICK)
    assert (tmp_path / "f").read_bytes() == BODY


@pytest.mark.parametrize("kept", [b"\xff\xfe", b'"1"\r\nX: y', b""])
def test_a_tag_file_that_is_none(tmp_path, kept):
    (tmp_path / "f.part").write_bytes(b"of unknown origin")
    (tmp_path / "f.part.tag").write_bytes(kept)
    with FaultyServer(serve_files({"/f": BODY})) as server:
        download_file(f"{server.url}/f", tmp_path / "f", QUICK)
    assert (tmp_path / "f").read_bytes() == BODY


def test_a_picture_without_end_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(http_module, "LARGEST_PICTURE", len(BODY) - 1)
    text = "is not that of a picture"
    with FaultyServer(lambda request: Answer(200, {}, BODY)) as server:
        check(server, lambda url: read_url(url, QUICK), False, text)
        check(server, lambda url: url_length(url, QUICK), False, text)
        (bucket,) = open_bucket("pictures", server.url, QUICK, 1)
        check(server, lambda url: bucket.read("train/a.jpg"), False, text)
        check(server, lambda url: bucket.size("train/a.jpg"), False, text)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "f",
        "file:///etc/passwd",
        "ftp://h/f",
        "http://[",
        "http://a b/",
        f"http://h:{'9' * 30}/",
    ],
)
def test_an_address_that_is_none_is_not_opened(url):
    with pytest.raises(DownloadError, match="address") as caught:
        read_url(url, QUICK)
    assert not isinstance(caught.value, TransientError)


def test_an_encrypted_address_is_not_followed_to_a_plain_one():
    request = urllib.request.Request("https://host/a", headers={"Range": "bytes=5-"})
    follow = WebRedirects().redirect_request
    followed = follow(request, None, 302, "", {}, "https://other/b")
    assert (followed.full_url, followed.get_header("Range")) == ("https://other/b", "bytes=5-")
    text = r"https://host/a: .* 'http://other/b', which is not encrypted"
    with pytest.raises(DownloadError, match=text):
        follow(request, None, 302, "", {}, "http://other/b")


def test_a_redirect_keeps_the_method_and_is_followed_for_every_status():
    def source(request):
        if request.path == "/f":
            return Answer(200, {}, BODY)
        return Answer(int(request.path[1:]), {"Location": "/f"}, b"")

    with FaultyServer(source) as server:
        for status in (301, 302, 303, 307, 308):
            assert read_url(f"{server.url}/{status}", QUICK) == BODY
            assert url_length(f"{server.url}/{status}", QUICK) == len(BODY)
    methods = [request.method for request in server.requests]
    assert methods == ["GET", "GET", "HEAD", "HEAD"] * 5


def test_a_name_without_address_is_told_from_a_server_out_of_reach(monkeypatch):
    def fail(*arguments, **more):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(NameLookupError, match=r"cannot reach http://nowhere/f: .*not known"):
        read_url("http://nowhere/f", QUICK)


def test_a_wrong_certificate_is_final(monkeypatch):
    def fail(*arguments, **more):
        raise ssl.SSLCertVerificationError(1, "certificate verify failed")

    monkeypatch.setattr(http.client.HTTPSConnection, "connect", fail)
    with pytest.raises(DownloadError, match=r"https://host/f: .*certificate") as caught:
        read_url("https://host/f", QUICK)
    assert not isinstance(caught.value, TransientError)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0" * 100,
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 \xb200 OK\r\n\r\n",
        b"HTTP/1.1 200\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\na: " + b"b" * 70000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nhello",
        b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe://x\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_what_is_no_http_is_one_line(answer):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def serve_once():
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(answer)

        thread = threading.Thread(target=serve_once)
        thread.start()
        with pytest.raises(DownloadError) as caught:
            read_url(f"{url}/f", QUICK)
        thread.join()
    assert str(caught.value).startswith(f"{url}/f: ")
    assert "\n" not in str(caught.value)


S3_CASES = {
    "digits that are not ASCII": (200, {"Content-Length": "\xb2"}),
    "a word": (200, {"Content-Length": "many"}),
    "endless digits": (200, {"Content-Length": "9" * 5000}),
    "negative": (200, {"Content-Length": "-5"}),
    "a date that is none": (200, {"Last-Modified": "yesterday"}),
    "a count that is none": (200, {"x-amz-missing-meta": "\xb2"}),
    "no address": (302, {"Location": "http://[::1"}),
    "a file": (301, {"Location": "file:///etc/passwd"}),
    "a wait that is none": (503, {"Retry-After": "\xb2"}),
}


@pytest.mark.parametrize("case", S3_CASES)
def test_a_hostile_s3_server(case):
    policy = RetryPolicy(attempts=1, timeout=0.5)
    with serve(*S3_CASES[case]) as server:
        (bucket,) = open_bucket("pictures", server.url, policy, 1)
        for ask in (bucket.read, bucket.size):
            with pytest.raises(DownloadError) as caught:
                ask("train/a.jpg")
            assert str(caught.value).startswith(f"{server.url}/pictures/train/a.jpg: ")
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", ["length: a word", "redirect: no address", "redirect: file"])
def test_no_answer_breaks_a_thread(case, tmp_path):
    status, headers = (200, HEADERS[case][0]) if case in HEADERS else STATUSES[case][:2]
    report = DownloadReport(wanted=4)
    pictures = [Picture(f"{n}.jpg", tmp_path / f"{n}.jpg") for n in range(4)]
    with serve(status, headers) as server:
        sources = [WebSource(server.url, QUICK)] * 2
        download_pictures(pictures, sources, QUICK, report)
    assert report.stopped is None
    assert len(report.failed) == 4
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("deeper", range(0, 12, 3))
def test_boto3_that_runs_in_a_circle(deeper):
    """Python stops it at a place that depends on how deep the stack is."""

    def ask(depth):
        return bucket.read("train/a.jpg") if depth == 0 else ask(depth - 1)

    with serve(301, {"Location": "file:///etc/passwd"}) as server:
        (bucket,) = open_bucket("pictures", server.url, RetryPolicy(timeout=0.5), 1)
        with pytest.raises(TransientError, match="boto3 cannot follow"):
            ask(deeper)
