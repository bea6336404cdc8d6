"""Files over HTTP, from a server on this machine that misbehaves."""

import base64
import hashlib

import pytest

from tests.download.servers import Answer, FaultyServer, serve_files
from vision.download.transfer import whole_file
from vision.download.transfer.retry import DownloadError, MissingError, RetryPolicy
from vision.download.transfer.whole_file import download_file, part_path

BODY = bytes(range(256)) * 1000
QUICK = RetryPolicy(attempts=3, timeout=10, first_delay=0.01, longest_delay=0.02)
# For faults that only a time-out ends; a busy machine may need some more attempts.
HASTY = RetryPolicy(attempts=9, timeout=0.3, first_delay=0.01, longest_delay=0.02)


def in_order(*faults):
    """Return a plan: these faults one after the other, then none."""
    return lambda request: faults[request.attempt] if request.attempt < len(faults) else None


def ranges_asked(server):
    return [request.headers.get("range") for request in server.requests]


def test_whole_file(tmp_path):
    seen = []
    with FaultyServer(serve_files({"/f": BODY})) as server:
        download_file(f"{server.url}/f", tmp_path / "new" / "f", QUICK, lambda *at: seen.append(at))
    assert (tmp_path / "new" / "f").read_bytes() == BODY
    assert seen[-1] == (len(BODY), len(BODY))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["f"]


def test_a_whole_file_is_not_asked_for_again(tmp_path):
    (tmp_path / "f").write_bytes(b"whole")
    download_file("http://127.0.0.1:9/f", tmp_path / "f", QUICK)
    assert (tmp_path / "f").read_bytes() == b"whole"


@pytest.mark.parametrize(
    ("fault", "policy"),
    [
        *((fault, QUICK) for fault in ("500", "refuse", "reset", "truncate")),
        *((fault, HASTY) for fault in ("drip", "stall")),
    ],
)
def test_every_fault_is_survived(tmp_path, fault, policy):
    with FaultyServer(serve_files({"/f": BODY}), in_order(fault, fault)) as server:
        download_file(f"{server.url}/f", tmp_path / "f", policy)
    assert (tmp_path / "f").read_bytes() == BODY
    assert server.faults[fault] == 2


@pytest.mark.parametrize("fault", ["reset", "truncate"])
def test_asks_for_the_rest_only(tmp_path, fault):
    with FaultyServer(serve_files({"/f": BODY}), in_order("truncate", fault)) as server:
        download_file(f"{server.url}/f", tmp_path / "f", QUICK)
    half = len(BODY) // 2
    assert ranges_asked(server)[:2] == [None, f"bytes={half}-"]
    assert (tmp_path / "f").read_bytes() == BODY


def test_goes_on_in_the_next_run(tmp_path):
    with FaultyServer(serve_files({"/f": BODY}), in_order("truncate")) as server:
        with pytest.raises(DownloadError, match="closed after 128000 of 256000 bytes"):
            download_file(f"{server.url}/f", tmp_path / "f", RetryPolicy(attempts=1))
        assert not (tmp_path / "f").exists()
        half = part_path(tmp_path / "f").stat().st_size
        assert half == len(BODY) // 2
        download_file(f"{server.url}/f", tmp_path / "f", QUICK)
    assert ranges_asked(server)[-1] == f"bytes={half}-"
    assert (tmp_path / "f").read_bytes() == BODY


def test_starts_over_where_the_file_has_changed(tmp_path):
    files = {"/f": BODY}
    with FaultyServer(serve_files(files), in_order("truncate")) as server:
        with pytest.raises(DownloadError):
            download_file(f"{server.url}/f", tmp_path / "f", RetryPolicy(attempts=1))
        files["/f"] = BODY[::-1]
        download_file(f"{server.url}/f", tmp_path / "f", QUICK)
    assert (tmp_path / "f").read_bytes() == BODY[::-1]


def test_starts_over_where_the_server_knows_no_ranges(tmp_path):
    source = serve_files({"/f": BODY}, ranges=False)
    with FaultyServer(source, in_order("reset", "truncate")) as server:
        download_file(f"{server.url}/f", tmp_path / "f", QUICK)
    assert (tmp_path / "f").read_bytes() == BODY


def test_does_not_try_for_ever_where_the_server_knows_no_ranges(tmp_path):
    source = serve_files({"/f": BODY}, ranges=False)
    with FaultyServer(source, lambda request: "truncate") as server, pytest.raises(DownloadError):
        download_file(f"{server.url}/f", tmp_path / "f", QUICK)
    assert len(server.requests) == QUICK.attempts


def test_a_part_that_is_too_long_is_discarded(tmp_path):
    tag = f'"{hashlib.sha1(BODY).hexdigest()}"'
    part_path(tmp_path / "f").write_bytes(BODY + b"more")
    (tmp_path / "f.part.tag").write_text(tag)
    with FaultyServer(serve_files({"/f": BODY})) as server:
        download_file(f"{server.url}/f", tmp_path / "f", QUICK)
    assert (tmp_path / "f").read_bytes() == BODY


def test_a_part_that_only_lacks_its_name_is_not_fetched_again(tmp_path):
    part_path(tmp_path / "f").write_bytes(BODY)
    (tmp_path / "f.part.tag").write_text(f'"{hashlib.sha1(BODY).hexdigest()}"')
    with FaultyServer(serve_files({"/f": BODY})) as server:
        download_file(f"{server.url}/f", tmp_path / "f", QUICK)
    assert ranges_asked(server) == [f"bytes={len(BODY)}-"]
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_part_without_a_tag_is_not_trusted(tmp_path):
    part_path(tmp_path / "f").write_bytes(b"of unknown origin")
    with FaultyServer(serve_files({"/f": BODY})) as server:
        download_file(f"{server.url}/f", tmp_path / "f", QUICK)
    assert ranges_asked(server) == [None]
    assert (tmp_path / "f").read_bytes() == BODY


def test_another_range_than_the_one_asked_for_is_not_appended(tmp_path):
    def source(request):
        if "range" in request.headers:
            return Answer(206, {"Content-Range": f"bytes 7-9/{len(BODY)}"}, b"xyz")
        return Answer(200, {"ETag": '"1"'}, BODY)

    with FaultyServer(source, in_order("truncate")) as server:
        download_file(f"{server.url}/f", tmp_path / "f", QUICK)
    assert (tmp_path / "f").read_bytes() == BODY


def test_the_stated_sum_is_checked(tmp_path):
    stated = base64.b64encode(hashlib.md5(BODY).digest()).decode()
    headers = {"x-goog-hash": f"crc32c=AAAAAA==,md5={stated}"}
    plan = in_order("garble")
    with FaultyServer(lambda request: Answer(200, headers, BODY), plan) as server:
        download_file(f"{server.url}/f", tmp_path / "f", QUICK)
    assert len(server.requests) == 2
    assert (tmp_path / "f").read_bytes() == BODY


def test_a_missing_file_is_said_at_once(tmp_path):
    with FaultyServer(serve_files({})) as server, pytest.raises(MissingError, match="404"):
        download_file(f"{server.url}/f", tmp_path / "f", QUICK)
    assert len(server.requests) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_refused_connection_names_the_address(tmp_path):
    message = r"cannot reach http://127.0.0.1:9/f.*tried 3 times.*run this again"
    with pytest.raises(DownloadError, match=message):
        download_file("http://127.0.0.1:9/f", tmp_path / "f", QUICK)


def test_too_little_room_is_said_before_the_download(tmp_path, monkeypatch):
    usage = whole_file.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(whole_file.shutil, "disk_usage", lambda path: usage._replace(free=1000))
    refused = pytest.raises(DownloadError, match=r"f needs 0 MB more in .* make room")
    with FaultyServer(serve_files({"/f": BODY})) as server, refused:
        download_file(f"{server.url}/f", tmp_path / "f", QUICK)
    assert len(server.requests) == 1


def test_a_full_disk_ends_it(tmp_path):
    part_path(tmp_path / "f").symlink_to("/dev/full")
    full = pytest.raises(OSError, match=f"{tmp_path}/f was not written: no space left")
    with FaultyServer(serve_files({"/f": BODY})) as server, full:
        download_file(f"{server.url}/f", tmp_path / "f", QUICK)
    assert not (tmp_path / "f").exists()
