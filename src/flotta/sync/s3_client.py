"""The boto3 client of one run, and what its errors mean. Imported by the child process alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from botocore import exceptions
from botocore.config import Config

from flotta.printable_text import printable
from flotta.protocol.reasons.reason import with_code
from flotta.protocol.reasons.sync import STORAGE_UNREACHABLE
from flotta.sync.job import Bucket, RunAborted
from flotta.sync.listing import describe_refusal
from flotta.sync.model import S3Storage
from flotta.sync.s3_api import S3Client

# Sized for links that are slow and lossy, not for a data centre.
CONNECT_TIMEOUT = 30  # seconds
READ_TIMEOUT = 30  # seconds without a byte
MAX_ATTEMPTS = 2  # of one request, the first one included

NETWORK_ERRORS = (exceptions.HTTPClientError, exceptions.ConnectionError, TimeoutError)
UNREACHABLE = (
    exceptions.EndpointConnectionError,
    exceptions.ConnectTimeoutError,
    exceptions.ProxyConnectionError,
    exceptions.SSLError,
)
DENIED = ("AccessDenied", "403")
REFUSED = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "RequestTimeTooSkewed")


@contextmanager
def open_client(bucket: Bucket, connections: int) -> Iterator[S3Client]:
    """Yield an S3 client that takes nothing from the environment but proxies."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as authority:  # boto3 wants a file
        authority.write(bucket.ca_pem or "")
        authority.flush()
        yield boto3.session.Session().client(
            "s3",
            endpoint_url=bucket.endpoint,
            region_name=bucket.region,
            aws_access_key_id=bucket.access_key,
            aws_secret_access_key=bucket.secret_key,
            verify=authority.name if bucket.ca_pem else True,
            config=_client_config(connections),
        )


def _client_config(connections: int) -> Config:
    return Config(
        s3={"addressing_style": "path"},
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": MAX_ATTEMPTS},
        max_pool_connections=connections,
    )


def error_code(error: Exception) -> str:
    """Return S3's code of an error response, or ''."""
    if isinstance(error, exceptions.ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return ""


def is_missing(error: Exception) -> bool:
    """Tell whether the key (not the bucket) does not exist."""
    return error_code(error) in ("404", "NoSuchKey", "NotFound")


def find_abort_reason(error: Exception, bucket: Bucket) -> RunAborted | None:
    """Return what ends the whole run, or None if the error concerns one path."""
    code = error_code(error)
    if isinstance(error, UNREACHABLE):
        return RunAborted(
            with_code(
                f"The S3 server {bucket.endpoint} cannot be reached: {error}.", STORAGE_UNREACHABLE
            ),
            "network",
        )
    if code in REFUSED:
        return RunAborted(describe_error(error, bucket), "refused")
    if code == "NoSuchBucket":
        return RunAborted(describe_error(error, bucket), "bucket")
    return None


def describe_error(error: Exception, bucket: Bucket) -> str:
    """Return what went wrong for one path."""
    if isinstance(error, exceptions.ClientError):
        storage = S3Storage(bucket.endpoint, bucket.region, bucket.name, "", "")
        message = printable(str(error.response.get("Error", {}).get("Message", "")))
        return describe_refusal(storage, error_code(error), message)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
