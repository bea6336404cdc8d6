"""Objects of a public S3 bucket, read without credentials."""

from __future__ import annotations

from functools import partial
from typing import Any, Iterator

from vision.download.transfer.http import (
    USER_AGENT,
    check_length,
    check_tag,
    join_picture,
    require_picture_size,
)
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

    def __init__(self, url: str, client: Any, policy: RetryPolicy) -> None:
        self.url = url
        self.client = client
        self.policy = policy

    def read(self, key: str) -> bytes:
        """Return a picture's bytes in one attempt, checked against their length and MD5 sum.

        Raises:
            MissingError: if the bucket has no such object.
            TransientError: if the transfer fails or is too slow, or brings other bytes than stated.
            DownloadError: if the bucket refuses, or the object is too large for a picture.
        """
        what = f"{self.url}/{key}"
        response = self._call(self.client.get_object, key)
        body = join_picture(self._receive(response["Body"], what), what)
        check_length(len(body), response["ContentLength"], what)
        check_tag(body, response.get("ETag", ""), what)
        return body

    def size(self, key: str) -> int:
        """Return a picture's length in bytes; errors as in `read`."""
        length = self._call(self.client.head_object, key)["ContentLength"]
        return require_picture_size(length, f"{self.url}/{key}")

    def _call(self, operation: Any, key: str) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        what = f"{self.url}/{key}"
        try:
            return operation(Bucket=self.url.rpartition("/")[2], Key=key)
        except ClientError as error:
            answer = error.response["ResponseMetadata"]
            after = answer.get("HTTPHeaders", {}).get("retry-after")
            raise error_for_status(answer["HTTPStatusCode"], what, after) from error
        except (BotoCoreError, RecursionError) as error:
            # boto3 looks for a bucket that has moved until Python stops it, here or deep inside.
            cause = error.kwargs.get("error") if isinstance(error, BotoCoreError) else error
            moved = isinstance(cause, RecursionError)
            reason = "the server redirects, and boto3 cannot follow" if moved else error
            raise TransientError(f"{what}: {reason}") from error
        except ValueError as error:
            raise TransientError(f"{what}: the server sends a bad header: {error}") from error

    def _receive(self, body: Any, what: str) -> Iterator[bytes]:
        from urllib3.exceptions import HTTPError

        guard = RateGuard(what, self.policy)
        # Inside `with`, botocore gives the response that is under its body. `read1` of that waits
        # for the next bytes only; `read` waits for all that it was asked for, for hours if they
        # come slowly. urllib3 1, which Python 3.8 and 3.9 have, hides `read1` one level deeper.
        try:
            with body as stream:
                read = stream.read1 if hasattr(stream, "read1") else stream._fp.read1
                for chunk in iter(partial(read, S3_CHUNK), b""):
                    guard.count(len(chunk))
                    yield chunk
                stream.read()  # finds nothing at the end, and hands the connection back
        except DownloadError:
            raise
        except (HTTPError, OSError) as error:
            raise TransientError(f"{what}: {error}") from error


def open_bucket(name: str, endpoint_url: str, policy: RetryPolicy, clients: int) -> list[Bucket]:
    """Return openings of a public bucket at a server that speaks S3, one for each thread.

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
    url = f"{endpoint_url.rstrip('/')}/{name}"
    try:
        session = boto3.session.Session(region_name=REGION)
        return [
            Bucket(url, session.client("s3", endpoint_url=endpoint_url, config=config), policy)
            for _ in range(clients)
        ]
    except (BotoCoreError, ValueError) as error:
        raise DownloadError(f"boto3 cannot start: {error}") from error
