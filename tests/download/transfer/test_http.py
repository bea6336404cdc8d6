"""Single requests to a server on this machine that misbehaves."""

import hashlib

import pytest

from tests.download.servers import Answer, FaultyServer, serve_files
from tests.download.transfer.test_whole_file import BODY, QUICK, in_order
from vision.download.transfer.http import read_url, url_length
from vision.download.transfer.retry import TransientError


def test_read_url_checks_the_length():
    with FaultyServer(serve_files({"/f": BODY}), in_order("truncate")) as server:
        with pytest.raises(TransientError, match=f"after {len(BODY) // 2} of {len(BODY)} bytes"):
            read_url(f"{server.url}/f", QUICK)
        assert read_url(f"{server.url}/f", QUICK) == BODY
        assert url_length(f"{server.url}/f", QUICK) == len(BODY)


def test_read_url_checks_the_tag_that_s3_gives():
    headers = {"x-amz-request-id": "1", "ETag": f'"{hashlib.md5(BODY).hexdigest()}"'}
    with FaultyServer(lambda request: Answer(200, headers, BODY), in_order("garble")) as server:
        with pytest.raises(TransientError, match="do not have the MD5 sum"):
            read_url(f"{server.url}/f", QUICK)
        assert read_url(f"{server.url}/f", QUICK) == BODY
        headers["ETag"] = '"d41d8cd98f00b204e9800998ecf8427e-3"'
        assert read_url(f"{server.url}/f", QUICK) == BODY
