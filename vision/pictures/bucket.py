"""Read parts of objects in a bucket of S3, or of a server that speaks its language.

Who may read, and where the server is, is taken from where the AWS tools have it: the environment
(AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, ...), or the files in ~/.aws.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import time
from pathlib import Path
from typing import Any, Iterator, NamedTuple

from vision.utils.buckets import bucket_and_key, full_path

TRIES = 5
SECONDS = 30  # without a byte, until a request is tried again
FIRST_PAUSE = 0.1  # seconds before the second try, doubled for each one after it
CONNECTIONS = 64  # of a process; threads that check pictures have one each


class ObjectState(NamedTuple):
    """What changes when an object does."""

    size: int  # bytes
    tag: str


def read_object(address: str | Path) -> bytes:
    """Return all bytes of an object.

    Raises:
        OSError: there is none, it may not be read, or the server does not answer.
    """
    return _read(address)


def read_object_range(address: str | Path, start: int, size: int) -> bytes:
    """Return up to `size` bytes of an object from byte `start` on; raise as `read_object` does."""
    if not size:
        return b""
    return _read(address, Range=f"bytes={start}-{start + size - 1}")


@functools.lru_cache(maxsize=4096)
def object_state(address: str) -> ObjectState:
    """Return the size and the tag of an object, asked once; raise as `read_object` does."""
    with _naming(address):
        answer = _client().head_object(**_named(address))
        return ObjectState(int(answer["ContentLength"]), str(answer["ETag"]))


def object_sizes(address: str | Path) -> dict[str, int]:
    """Return the bytes of all objects below an address, by the rest of their keys.

    Raises:
        OSError: as `read_object`.
    """
    bucket, prefix = bucket_and_key(address) or ("", "")
    prefix = f"{prefix}/" if prefix else ""
    with _naming(address):
        pages = _client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return {
            one["Key"][len(prefix) :]: int(one["Size"])
            for page in pages
            for one in page.get("Contents", [])
        }


def _read(address: str | Path, **more: str) -> bytes:
    """Return what a request brings; where its connection breaks, ask again."""
    from botocore.exceptions import BotoCoreError

    with _naming(address):
        for number in range(TRIES):
            # Here the client itself asks again, but not for bytes that stop coming.
            body = _client().get_object(**_named(address), **more)["Body"]
            try:
                return body.read()
            except BotoCoreError:
                body.close()
                if number == TRIES - 1:
                    raise
            time.sleep(FIRST_PAUSE * 2**number)
    raise AssertionError("the last try returns or raises")


def _client() -> Any:
    return _client_of(os.getpid())  # a connection must not be used on both sides of a fork


@functools.lru_cache(maxsize=1)
def _client_of(process: int) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        retries={"max_attempts": TRIES, "mode": "standard"},
        connect_timeout=SECONDS,
        read_timeout=SECONDS,
        max_pool_connections=CONNECTIONS,
    )
    return boto3.session.Session().client("s3", config=config)


def _named(address: str | Path) -> dict[str, str]:
    bucket, key = bucket_and_key(address) or ("", "")
    return {"Bucket": bucket, "Key": key}


@contextlib.contextmanager
def _naming(address: str | Path) -> Iterator[None]:
    """Make one sentence, with the address, of whatever goes wrong."""
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        HTTPClientError,
        IncompleteReadError,
    )

    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        missing = status == 404
        kind = errno.ENOENT if missing else errno.EACCES if status == 403 else errno.EIO
        reason = "there is no such object or bucket; check the address" if missing else error
        raise OSError(kind, f"{full_path(address)}: {reason}") from error
    except (HTTPClientError, IncompleteReadError) as error:
        hint = f"that was try {TRIES} of {TRIES}; check the connection and run this again"
        raise OSError(errno.EIO, f"{full_path(address)}: {error}; {hint}") from error
    except (BotoCoreError, ValueError) as error:
        hint = "see docs/shards.md on how to give AWS credentials and an endpoint"
        raise OSError(errno.EIO, f"{full_path(address)}: {error}; {hint}") from error
