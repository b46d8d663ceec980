"""One S3 site as its administrator sees it: the control plane's only caller of AWS APIs.

The administrator's key and the CA are read again for each use, so that a rotated Secret needs no
restart.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, SSLError

from flotta.storage.access_keys import AccessKey
from flotta.storage.administrator import authority_file, read_administrator
from flotta.storage.errors import StorageError, StorageRefused, StorageUnavailable
from flotta.storage.settings import StorageSettings

IAM_REGION = "us-east-1"  # AWS signs its one global IAM with this region; others do not mind
KEY_REFUSALS = (
    *("AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidClientTokenId"),
    *("403", "AuthFailure"),
)
REFUSED = (
    *KEY_REFUSALS,
    *("InvalidBucketName", "MalformedPolicyDocument", "LimitExceeded", "NotImplemented"),
    *("InvalidAction", "MethodNotAllowed", "IllegalLocationConstraintException"),
)
CONNECT_TIMEOUT = 5  # seconds
READ_TIMEOUT = 30  # seconds
MAX_ATTEMPTS = 3
# Where an administrator set them: on Kubernetes, and for an operator outside.
AUTHORITY_PLACES = "s3.ca_pem or ca.crt of Secret flotta-s3-admin, or S3_CA_FILE"
KEY_PLACES = "Secret flotta-s3-admin, or S3_ADMIN_FILE,"
T = TypeVar("T")


class S3Site:
    """Makes boto3 clients for the services of the site and turns their errors into sentences."""

    def __init__(self, settings: StorageSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._clients: dict[str, tuple[tuple[AccessKey, bytes], Any]] = {}

    @property
    def region(self) -> str:
        """The region in which buckets are made."""
        return self._settings.region

    def read_administrator(self) -> AccessKey:
        """Return the administrator's key; ValueError with a sentence when it cannot be read."""
        return read_administrator(self._settings.admin_file)

    def read_ca(self) -> bytes:
        """Return the CA as PEM, empty for the system's own; ValueError when it cannot be read."""
        path = authority_file(self._settings.admin_file, self._settings.ca_file)
        try:
            return path.read_bytes() if path else b""
        except OSError as error:
            raise ValueError(
                f"the CA of S3 ({AUTHORITY_PLACES}) cannot be read: {error}"
            ) from error

    async def call_s3(self, action: Callable[[Any], T]) -> T:
        """Run an action on an S3 client in a thread; raises StorageError."""
        return await asyncio.to_thread(self._call, "s3", action)

    async def call_iam(self, action: Callable[[Any], T]) -> T:
        """Run an action on an IAM client in a thread; raises StorageError."""
        return await asyncio.to_thread(self._call, "iam", action)

    def _call(self, service: str, action: Callable[[Any], T]) -> T:
        name, endpoint = self._find_endpoint(service)
        try:
            return action(self._client(service, endpoint))
        except ClientError as error:
            raise _translate_error(error, endpoint) from error
        except SSLError as error:
            raise StorageUnavailable(
                f"{endpoint} shows a certificate that is not trusted; "
                f"put its CA into {AUTHORITY_PLACES}"
            ) from error
        except BotoCoreError as error:
            raise StorageUnavailable(f"no answer from {name} {endpoint}: {error}") from error
        except (OSError, ValueError) as error:
            raise StorageUnavailable(str(error)) from error

    def _find_endpoint(self, service: str) -> tuple[str, str]:
        if service == "iam":
            return "S3_IAM_ENDPOINT", self._settings.iam_endpoint or ""
        return "S3_ENDPOINT", self._settings.endpoint

    def _client(self, service: str, endpoint: str) -> Any:
        with self._lock:
            now = self.read_administrator(), self.read_ca()
            made, client = self._clients.get(service, (None, None))
            if made != now:
                client = self._new_client(service, endpoint, now[0])
                self._clients[service] = now, client
            return client

    def _new_client(self, service: str, endpoint: str, key: AccessKey) -> Any:
        path = authority_file(self._settings.admin_file, self._settings.ca_file)
        # boto3's default session is not for several threads.
        return boto3.session.Session().client(
            service,
            endpoint_url=endpoint,
            region_name=IAM_REGION if service == "iam" else self.region,
            aws_access_key_id=key.access_key,
            aws_secret_access_key=key.secret_key,
            verify=str(path) if path else True,
            config=Config(
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path"},
                connect_timeout=CONNECT_TIMEOUT,
                read_timeout=READ_TIMEOUT,
                retries={"mode": "standard", "total_max_attempts": MAX_ATTEMPTS},
            ),
        )


def error_code(error: ClientError) -> str:
    """Return the error code of a response, such as NoSuchBucket."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _translate_error(error: ClientError, endpoint: str) -> StorageError:
    code = error_code(error)
    message = error.response.get("Error", {}).get("Message", "")
    text = f"{endpoint} refused {error.operation_name}: {code} {message}".strip()
    if code in KEY_REFUSALS:
        text += f"; check the key pair in {KEY_PLACES} and what it may do"
    return (StorageRefused if code in REFUSED else StorageUnavailable)(text)
