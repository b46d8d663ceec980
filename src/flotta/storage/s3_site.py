"""One S3 site as its administrator sees it: the control plane's only caller of AWS APIs.

The administrator's key and the CA are read for each use, so that a rotated Secret needs no restart.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, SSLError

from flotta.storage.access_keys import AccessKey
from flotta.storage.administrator import authority_file, read_administrator
from flotta.storage.aws import IamClient, S3Client
from flotta.storage.errors import StorageError, StorageRefused, StorageUnavailable
from flotta.storage.settings import StorageSettings

IAM_REGION = "us-east-1"  # signatures for AWS' global IAM use it; other servers accept any
KEY_REFUSALS = (
    *("AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidClientTokenId"),
    *("403", "AuthFailure"),
)
REFUSED = (
    *KEY_REFUSALS,
    *("InvalidBucketName", "MalformedPolicyDocument", "LimitExceeded", "NotImplemented"),
    *("InvalidAction", "MethodNotAllowed", "IllegalLocationConstraintException"),
)
CONNECT_TIMEOUT = 5  # seconds, as the next
READ_TIMEOUT = 30  # seconds
MAX_ATTEMPTS = 3  # requests in all
# Where an administrator sets them: on Kubernetes, and for an operator outside a cluster.
AUTHORITY_PLACES = "s3.ca_pem or ca.crt of Secret flotta-s3-admin, or S3_CA_FILE"
KEY_PLACES = "Secret flotta-s3-admin, or S3_ADMIN_FILE,"
T = TypeVar("T")
ClientT = TypeVar("ClientT")


@dataclass(frozen=True)
class Access:
    """The key and CA of a client."""

    key: AccessKey
    ca: bytes  # PEM, empty for the CAs of the system


@dataclass
class Service(Generic[ClientT]):
    """A service of the site, and its client once it is created."""

    name: str  # in boto3
    setting: str  # that has the endpoint
    endpoint: str
    region: str
    access: Access | None = None
    client: ClientT | None = None


class S3Site:
    """Creates boto3 clients for the services of the site and turns their errors into sentences."""

    def __init__(self, settings: StorageSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._s3 = Service[S3Client]("s3", "S3_ENDPOINT", settings.endpoint, settings.region)
        self._iam = Service[IamClient](
            "iam", "S3_IAM_ENDPOINT", settings.iam_endpoint or "", IAM_REGION
        )

    @property
    def region(self) -> str:
        """The region in which buckets are created."""
        return self._settings.region

    def read_administrator(self) -> AccessKey:
        """Return the administrator's key; ValueError with a sentence when it cannot be read."""
        return read_administrator(self._settings.admin_file)

    def read_ca(self) -> bytes:
        """Return the CA as PEM, empty for those of the system; ValueError if it is unreadable."""
        path = authority_file(self._settings.admin_file, self._settings.ca_file)
        try:
            return path.read_bytes() if path else b""
        except OSError as error:
            raise ValueError(
                f"the CA of S3 ({AUTHORITY_PLACES}) cannot be read: {error}"
            ) from error

    async def call_s3(self, action: Callable[[S3Client], T]) -> T:
        """Run an action on an S3 client in a thread; raises StorageError."""
        return await asyncio.to_thread(self._call, self._s3, action)

    async def call_iam(self, action: Callable[[IamClient], T]) -> T:
        """Run an action on an IAM client in a thread; raises StorageError."""
        return await asyncio.to_thread(self._call, self._iam, action)

    def _call(self, service: Service[ClientT], action: Callable[[ClientT], T]) -> T:
        try:
            return action(self._client(service))
        except ClientError as error:
            raise _translate_error(error, service.endpoint) from error
        except SSLError as error:
            raise StorageUnavailable(
                f"the certificate of {service.endpoint} is not trusted; "
                f"set its CA in {AUTHORITY_PLACES}"
            ) from error
        except BotoCoreError as error:
            raise StorageUnavailable(
                f"no response from {service.setting} {service.endpoint}: {error}"
            ) from error
        except (OSError, ValueError) as error:
            raise StorageUnavailable(str(error)) from error

    def _client(self, service: Service[ClientT]) -> ClientT:
        with self._lock:
            now = Access(self.read_administrator(), self.read_ca())
            if service.client is None or service.access != now:
                service.client = self._new_client(service, now.key)
                service.access = now
            return service.client

    def _new_client(self, service: Service[ClientT], key: AccessKey) -> ClientT:
        path = authority_file(self._settings.admin_file, self._settings.ca_file)
        # boto3's default session is not thread-safe.
        client: ClientT = boto3.session.Session().client(
            service.name,
            endpoint_url=service.endpoint,
            region_name=service.region,
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
        return client


def error_code(error: ClientError) -> str:
    """Return the error code of a response, such as NoSuchBucket."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _translate_error(error: ClientError, endpoint: str) -> StorageError:
    code = error_code(error)
    message = error.response.get("Error", {}).get("Message", "")
    text = f"{endpoint} refused {error.operation_name}: {code} {message}".strip()
    if code in KEY_REFUSALS:
        text += f"; check the access key in {KEY_PLACES} and its permissions"
    return (StorageRefused if code in REFUSED else StorageUnavailable)(text)
