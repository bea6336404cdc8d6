"""Pictures from moto's S3 server, with faults in between."""

import pytest

from tests.download.servers import FaultyServer, fill_bucket, forward_to, moto_server
from vision.download.transfer.retry import DownloadError, MissingError, RetryPolicy, TransientError
from vision.download.transfer.s3 import open_bucket

BODY = bytes(range(256)) * 400
QUICK = RetryPolicy(timeout=10)
HASTY = RetryPolicy(timeout=0.3)  # for faults that only a time-out ends


@pytest.fixture(scope="module")
def port():
    with moto_server() as port:
        fill_bucket(port, "pictures", {"train/a.jpg": BODY, "train/empty.jpg": b""})
        yield port


def test_reads_an_object_and_its_size(port):
    (bucket,) = open_bucket("pictures", f"http://127.0.0.1:{port}", QUICK, 1)
    assert bucket.read("train/a.jpg") == BODY
    assert bucket.read("train/empty.jpg") == b""
    assert bucket.size("train/a.jpg") == len(BODY)


def test_a_missing_object(port):
    (bucket,) = open_bucket("pictures", f"http://127.0.0.1:{port}", QUICK, 1)
    for ask in (bucket.read, bucket.size):
        with pytest.raises(MissingError, match=r"train/b\.jpg: 404"):
            ask("train/b.jpg")


@pytest.mark.parametrize(
    ("fault", "policy", "message"),
    [
        ("500", QUICK, "the server answered 500"),
        ("503", QUICK, "the server answered 503"),
        ("refuse", QUICK, "train/a.jpg: Connection"),
        ("reset", QUICK, "train/a.jpg: "),
        ("truncate", QUICK, "train/a.jpg: "),
        ("garble", QUICK, "do not have the MD5 sum"),
        ("stall", HASTY, "train/a.jpg: .*[Tt]imed out"),
        ("drip", HASTY, "train/a.jpg: .*[Tt]imed out|too slow to go on"),
    ],
)
def test_faults_are_worth_another_attempt(port, fault, policy, message):
    def plan(request):
        return fault if request.attempt == 0 else None

    with FaultyServer(forward_to(port), plan) as server:
        (bucket,) = open_bucket("pictures", server.url, policy, 1)
        with pytest.raises(TransientError, match=message):
            bucket.read("train/a.jpg")
        (bucket,) = open_bucket("pictures", server.url, QUICK, 1)
        assert bucket.read("train/a.jpg") == BODY


def test_a_refusal_is_final(port):
    with FaultyServer(forward_to(port), lambda request: "403") as server:
        (bucket,) = open_bucket("pictures", server.url, QUICK, 1)
        with pytest.raises(DownloadError, match="refused with status 403") as error:
            bucket.read("train/a.jpg")
    assert not isinstance(error.value, TransientError)


def test_a_server_out_of_reach():
    (bucket,) = open_bucket("pictures", "http://127.0.0.1:9", QUICK, 1)
    with pytest.raises(TransientError, match=r"train/a.jpg: Could not connect"):
        bucket.read("train/a.jpg")


def test_a_connection_serves_many_pictures(port):
    with FaultyServer(forward_to(port)) as server:
        (bucket,) = open_bucket("pictures", server.url, QUICK, 1)
        for _ in range(5):
            bucket.read("train/a.jpg")
        assert server.connections == 1


def test_settings_of_aws_on_this_computer_do_not_count(port, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "wrong")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    (bucket,) = open_bucket("pictures", f"http://127.0.0.1:{port}", QUICK, 1)
    assert bucket.read("train/a.jpg") == BODY


def test_a_broken_aws_profile_is_said(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    with pytest.raises(DownloadError, match=r"boto3 cannot start: .*nowhere"):
        open_bucket("pictures", "http://127.0.0.1:9", QUICK, 1)
