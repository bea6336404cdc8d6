"""Objects of a bucket over connections that break, from a server on this machine."""

from __future__ import annotations

import pytest

from tests.download.servers import FaultyServer, serve_files
from vision.pictures import bucket
from vision.pictures.bucket import read_object, read_object_range

BODY = bytes(range(256)) * 400
ADDRESS = "s3://pictures/a.jpg"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(bucket, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(bucket, "SECONDS", 1)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with FaultyServer(serve_files({"/pictures/a.jpg": BODY})) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        bucket._client_of.cache_clear()
        yield server
    bucket._client_of.cache_clear()


@pytest.mark.parametrize("fault", ["truncate", "reset", "stall"])
@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda: read_object(ADDRESS), BODY),
        (lambda: read_object_range(ADDRESS, 100, len(BODY) - 100), BODY[100:]),
    ],
)
def test_a_connection_that_breaks_is_tried_again(server, fault, read, expected):
    server.plan = lambda request: fault if request.attempt < 2 else None
    assert read() == expected
    assert server.faults[fault] == 2


def test_one_that_always_breaks_is_given_up_and_no_credentials_are_blamed(server):
    server.plan = lambda request: "truncate"
    with pytest.raises(OSError, match=r"s3://pictures/a\.jpg: .*try 5 of 5; check the conn") as got:
        read_object(ADDRESS)
    assert len(server.requests) == bucket.TRIES
    assert "credentials" not in str(got.value)


def test_what_is_not_there_is_asked_for_once(server):
    with pytest.raises(FileNotFoundError, match=r"s3://pictures/b\.jpg: there is no such object"):
        read_object("s3://pictures/b.jpg")
    assert len(server.requests) == 1


def test_credentials_that_are_missing_are_named(server, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(OSError, match="how to give AWS credentials"):
        read_object(ADDRESS)
    assert server.requests == []
