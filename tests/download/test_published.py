from __future__ import annotations

import socket
import subprocess
import threading
import time

import pytest

from vision.download import published
from vision.download.published import (
    OFFLINE_AT_ONCE,
    PUBLISHED,
    Published,
    fetch_published,
    is_as_published,
    require_as_published,
)
from vision.download.transfer.retry import (
    Attempts,
    DownloadError,
    NameLookupError,
    RetryPolicy,
    TransientError,
)
from vision.ssd import NETS

# git hash-object of a file that holds "hello\n".
HELLO = Published(
    "hello.pth", "https://example.com/hello.pth", "ce013625030ba8dba906f756967f9e9ca394464a"
)


class Server:
    """Stands for the network; `answer` is what the next download brings."""

    def __init__(self):
        self.answer = b"hello\n"
        self.asked = []

    def download(self, address, path, policy):
        self.asked.append(address)
        if isinstance(self.answer, OSError):
            raise self.answer
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.answer)


@pytest.fixture
def server(monkeypatch):
    server = Server()
    monkeypatch.setattr(published, "download_file", server.download)
    monkeypatch.setitem(PUBLISHED, "mb1-ssd", HELLO)
    return server


def test_the_table_is_of_nets():
    assert set(PUBLISHED) <= set(NETS)
    for one in PUBLISHED.values():
        assert one.address.startswith("https://")
        assert one.git_blob == "" or len(bytes.fromhex(one.git_blob)) == 20


def test_the_sum_is_that_of_git(tmp_path):
    path = tmp_path / "hello.pth"
    path.write_bytes(b"hello\n")
    assert is_as_published(path, HELLO)
    try:
        found = subprocess.run(
            ["git", "hash-object", path], capture_output=True, text=True, check=True
        )
    except FileNotFoundError:
        pytest.skip("needs git to compare with")
    assert found.stdout.strip() == HELLO.git_blob
    path.write_bytes(b"hello")
    assert not is_as_published(path, HELLO)
    assert is_as_published(path, HELLO._replace(git_blob=""))  # no sum is known


def test_what_is_not_there_is_fetched_once(server, tmp_path):
    folder = tmp_path / "models"
    for _ in range(2):
        path = fetch_published("mb1-ssd", folder)
        assert path == folder / "hello.pth"
        assert path.read_bytes() == b"hello\n"
    assert server.asked == [HELLO.address]


def test_several_processes_fetch_it_once_and_nobody_sees_it_unchecked(
    server, tmp_path, monkeypatch
):
    download, check, events, found = server.download, require_as_published, [], []

    def slowly(event, work):
        def step(*arguments):
            events.append(f"{event} begins")
            time.sleep(0.1)
            work(*arguments)
            events.append(f"{event} ends")

        return step

    monkeypatch.setattr(published, "download_file", slowly("fetching", download))
    monkeypatch.setattr(published, "require_as_published", slowly("checking", check))
    threads = [
        threading.Thread(target=lambda: found.append(fetch_published("mb1-ssd", tmp_path)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == [tmp_path / "hello.pth"] * 4
    assert events == ["fetching begins", "fetching ends", "checking begins", "checking ends"]


def test_a_file_of_the_users_is_never_fetched_again_or_deleted(server, tmp_path):
    (tmp_path / "hello.pth").write_bytes(b"my own")
    assert fetch_published("mb1-ssd", tmp_path).read_bytes() == b"my own"
    assert server.asked == []


def test_a_net_without_published_weights(server, tmp_path):
    assert fetch_published("mb3-small-ssd-lite", tmp_path) is None
    assert server.asked == []


def test_something_else_is_deleted_and_the_ways_on_are_named(server, tmp_path):
    server.answer = b"<html>sign in</html>"
    with pytest.raises(ValueError, match=r"hello\.pth sent \(20 bytes\) is not") as caught:
        fetch_published("mb1-ssd", tmp_path)
    assert not (tmp_path / "hello.pth").exists()
    message = str(caught.value)
    assert str(tmp_path / "hello.pth") in message
    for way in ("--base-net FILE", "--pretrained-ssd none"):
        assert way in message


def test_no_network(server, tmp_path):
    server.answer = DownloadError("cannot reach example.com")
    with pytest.raises(
        ValueError, match=r"cannot reach example\.com; get it from https://ex.* put it"
    ):
        fetch_published("mb1-ssd", tmp_path)


def test_what_is_as_published_stays(tmp_path):
    path = tmp_path / "hello.pth"
    path.write_bytes(b"hello\n")
    require_as_published(path, HELLO)
    assert path.exists()


def test_offline_it_is_given_up_after_two_failures_of_the_name_look_up(tmp_path, monkeypatch):
    asked, waits = [], []

    def fail(*arguments, **more):
        asked.append(arguments[0])
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    monkeypatch.setattr(time, "sleep", waits.append)
    monkeypatch.setattr(Attempts.__init__, "__defaults__", (waits.append, 10, ""))
    with pytest.raises(
        ValueError, match=r"name resolution \(tried 2 times\).*--pretrained-ssd none"
    ):
        fetch_published("mb1-ssd", tmp_path)
    assert len(asked) == 2
    assert sum(waits) < 1
    assert list(tmp_path.iterdir()) == []


def test_a_connection_that_breaks_is_tried_as_long_as_ever():
    assert OFFLINE_AT_ONCE.attempts == RetryPolicy().attempts
    attempts = Attempts(OFFLINE_AT_ONCE, pause=lambda seconds: None)
    for _ in range(4):  # no two in a row
        attempts.failed(NameLookupError("no name"))
        attempts.failed(TransientError("reset"))
