"""Settings of the Edge API, read once from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from flotta.edge_api.backends import BACKENDS
from flotta.edge_api.remote_store import RemoteStore
from flotta.settings import edge_api as table
from flotta.settings.common import NAMESPACE
from flotta.settings.setting import Address
from flotta.settings.storage import S3_DEVICE_ENDPOINT
from flotta.storage.endpoints import checked_endpoint

CRD, REMOTE = "crd", "remote"  # values of BACKEND
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Settings:
    """What an administrator may set (docs/reference/settings.md)."""

    bind_address: str = table.BIND_ADDRESS.default
    port: int = table.HTTPS_PORT.default
    server_names: tuple[str, ...] = (*table.SERVER_NAMES.default, *LOOPBACK)
    metrics_address: Address | None = table.METRICS_ADDR.default
    certificate_days: int = table.CLIENT_CERT_EXPIRATION_DAYS.default
    registration_namespaces: tuple[str, ...] = table.REGISTRATION_NAMESPACES.default
    presence_write_seconds: float = table.PRESENCE_WRITE_SECONDS.default
    enrolments_per_second: float = table.ENROLMENTS_PER_SECOND.default
    pending_per_certificate: int = table.PENDING_REQUESTS_PER_CERTIFICATE.default
    pending_per_namespace: int = table.PENDING_REQUESTS_PER_NAMESPACE.default
    drain_seconds: float = table.EDGE_API_DRAIN_SECONDS.default
    max_connections: int = table.MAX_CONNECTIONS.default  # 0: as many as descriptors allow
    has_address_fairness: bool = table.ADDRESS_FAIRNESS.default
    has_proxy_protocol: bool = table.PROXY_PROTOCOL.default
    s3_device_endpoint: str = ""  # "" leaves it to the claims where their buckets are
    namespace: str = NAMESPACE.default
    backend: str = table.BACKEND.default  # a key of BACKENDS
    remote: RemoteStore | None = None  # of the backend `remote`
    certificates_dir: Path | None = None  # None: Secrets of the resource API

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings of an environment.

        Raises ValueError with a sentence for an unusable value.
        """
        return cls(
            bind_address=table.BIND_ADDRESS.read(environment),
            port=table.HTTPS_PORT.read(environment),
            server_names=_server_names(environment),
            metrics_address=table.METRICS_ADDR.read(environment),
            certificate_days=table.CLIENT_CERT_EXPIRATION_DAYS.read(environment),
            registration_namespaces=table.REGISTRATION_NAMESPACES.read(environment),
            presence_write_seconds=table.PRESENCE_WRITE_SECONDS.read(environment),
            enrolments_per_second=table.ENROLMENTS_PER_SECOND.read(environment),
            pending_per_certificate=table.PENDING_REQUESTS_PER_CERTIFICATE.read(environment),
            pending_per_namespace=table.PENDING_REQUESTS_PER_NAMESPACE.read(environment),
            drain_seconds=table.EDGE_API_DRAIN_SECONDS.read(environment),
            max_connections=table.MAX_CONNECTIONS.read(environment),
            has_address_fairness=table.ADDRESS_FAIRNESS.read(environment),
            has_proxy_protocol=table.PROXY_PROTOCOL.read(environment),
            s3_device_endpoint=checked_endpoint(
                S3_DEVICE_ENDPOINT.read(environment), S3_DEVICE_ENDPOINT.variable
            ),
            namespace=NAMESPACE.read(environment),
            **_backend(environment),
        )


class _BackendSettings(TypedDict):
    backend: str
    remote: RemoteStore | None
    certificates_dir: Path | None


def _backend(environment: Mapping[str, str]) -> _BackendSettings:
    """Return what depends on the backend; all of it is read, so that mistakes are told early."""
    backend = replace(table.BACKEND, values=tuple(BACKENDS)).read(environment)
    remote = RemoteStore.from_environment(environment)
    directory = table.CERTIFICATES_DIR.read(environment)
    if backend == CRD and directory is not None:
        raise ValueError(
            "CERTIFICATES_DIR needs BACKEND=remote, and BACKEND is crd; unset it, or set BACKEND"
        )
    if backend == REMOTE and remote is None:
        raise ValueError(
            "BACKEND is 'remote', and REMOTE_BACKEND_URL is not set; set it to the URL of the data "
            "store, such as https://store.example:9443"
        )
    chosen = remote if backend == REMOTE else None
    return _BackendSettings(backend=backend, remote=chosen, certificates_dir=directory)


def _server_names(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names and addresses the server certificate has to cover, in the order given."""
    given = (
        *replace(table.SERVER_NAMES, default=()).read(environment),
        *table.DOMAIN.read(environment),
    )
    names = list(given or table.SERVER_NAMES.default)
    if table.TLS_LOCALHOST_ENABLED.read(environment):
        names += LOOPBACK
    return tuple(dict.fromkeys(names))
