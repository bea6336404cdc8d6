"""Objects of a public S3 bucket, read without credentials."""

from __future__ import annotations

from functools import partial
from typing import Any

from vision.download.transfer.http import USER_AGENT, check_length, check_tag
from vision.download.transfer.retry import (
    DownloadError,
    RateGuard,
    RetryPolicy,
    TransientError,
    error_for_status,
)

S3_CHUNK = 1 << 16  # bytes
REGION = "us-east-1"


class Bucket:
    """A public bucket and one client for it; a client belongs to one thread."""

    def __init__(self, name: str, client: Any, policy: RetryPolicy) -> None:
        self.name = name
        self.client = client
        self.policy = policy

    def read(self, key: str) -> bytes:
        """Return an object's bytes in one attempt, checked against its length and MD5 sum.

        Raises:
            MissingError: if the bucket has no such object.
            TransientError: if the transfer fails, drips, or brings other bytes than were stated.
            DownloadError: if the bucket refuses.
        """
        response = self._call(self.client.get_object, key)
        body = self._receive(response["Body"], key)
        check_length(len(body), response["ContentLength"], key)
        check_tag(body, response.get("ETag", ""), key)
        return body

    def size(self, key: str) -> int:
        """Return an object's length in bytes; errors as in `read`."""
        return self._call(self.client.head_object, key)["ContentLength"]

    def _call(self, operation: Any, key: str) -> dict:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return operation(Bucket=self.name, Key=key)
        except ClientError as error:
            answer = error.response["ResponseMetadata"]
            after = answer.get("HTTPHeaders", {}).get("retry-after")
            raise error_for_status(answer["HTTPStatusCode"], key, after) from error
        except BotoCoreError as error:
            raise TransientError(f"{key}: {error}") from error

    def _receive(self, body: Any, key: str) -> bytes:
        from urllib3.exceptions import HTTPError

        guard = RateGuard(key, self.policy)
        chunks = []
        # Inside `with`, botocore hands out the response under its body. Its `read1` waits for the
        # next bytes only, `read` for as many as it was asked for, which from a server that drips
        # takes hours. urllib3 1, which Python 3.8 and 3.9 have, hides `read1` one level deeper.
        try:
            with body as stream:
                read = stream.read1 if hasattr(stream, "read1") else stream._fp.read1
                for chunk in iter(partial(read, S3_CHUNK), b""):
                    guard.count(len(chunk))
                    chunks.append(chunk)
                stream.read()  # at the end it finds nothing, and hands the connection back
        except (HTTPError, OSError) as error:
            if isinstance(error, DownloadError):
                raise
            raise TransientError(f"{key}: {error}") from error
        return b"".join(chunks)


def open_bucket(name: str, endpoint_url: str, policy: RetryPolicy, clients: int) -> list[Bucket]:
    """Return that many openings of a public bucket at a server that speaks S3, one a thread.

    Raises:
        DownloadError: if the AWS settings of this computer keep boto3 from starting.
    """
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    config = Config(
        signature_version=UNSIGNED,
        connect_timeout=policy.timeout,
        read_timeout=policy.timeout,
        retries={"max_attempts": 0},
        parameter_validation=False,
        user_agent=USER_AGENT,  # botocore's own is put together anew for every request
    )
    try:
        session = boto3.session.Session(region_name=REGION)
        return [
            Bucket(name, session.client("s3", endpoint_url=endpoint_url, config=config), policy)
            for _ in range(clients)
        ]
    except BotoCoreError as error:
        raise DownloadError(f"boto3 cannot start: {error}") from error
