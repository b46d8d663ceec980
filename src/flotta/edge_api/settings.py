"""Settings of the Edge API, read once from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flotta.edge_api.backends import BACKENDS
from flotta.environment import Address, read_address, read_flag, read_number, read_text, read_words
from flotta.own_names import DEVICE_PORT, FLOTTA_NAMESPACE
from flotta.storage.endpoints import checked_endpoint

DEFAULT_DOMAIN = "project-flotta.io"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
METRICS_ADDRESS = ("127.0.0.1", 8080)


@dataclass(frozen=True)
class Settings:
    """What can be chosen; every field has a default that works on one machine."""

    bind_address: str = "0.0.0.0"  # noqa: S104 - devices come from other machines
    port: int = DEVICE_PORT
    server_names: tuple[str, ...] = (DEFAULT_DOMAIN, *LOOPBACK)
    metrics_address: Address | None = METRICS_ADDRESS
    certificate_days: int = 30  # that device certificates live
    registration_namespaces: tuple[str, ...] = ("default",)
    presence_write_seconds: float = 30.0  # the least time between two writes of lastSeenTime
    enrolments_per_second: float = 50.0  # of all devices together
    drain_seconds: float = 0.0  # between "not ready" and the end, for balancers to look elsewhere
    # Where devices reach the buckets of claims, https://HOST:PORT; "" leaves it to the claims.
    s3_device_endpoint: str = ""
    namespace: str = FLOTTA_NAMESPACE  # where the CA and the certificates are kept
    backend: str = "crd"  # a key of BACKENDS

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings of an environment.

        Raises ValueError with a sentence for an unusable value.
        """
        backend = read_text(environment, "BACKEND", cls.backend)
        if backend not in BACKENDS:
            raise ValueError(f"BACKEND is {backend!r}; this program knows: {', '.join(BACKENDS)}")
        namespaces = read_words(environment, "REGISTRATION_NAMESPACES")
        return cls(
            bind_address=read_text(environment, "BIND_ADDRESS", cls.bind_address),
            port=read_number(environment, "HTTPS_PORT", DEVICE_PORT, 0, 65535),
            server_names=_server_names(environment),
            metrics_address=read_address(environment, "METRICS_ADDR", METRICS_ADDRESS),
            certificate_days=read_number(environment, "CLIENT_CERT_EXPIRATION_DAYS", 30, 1, 3650),
            registration_namespaces=namespaces or ("default",),
            presence_write_seconds=read_number(environment, "PRESENCE_WRITE_SECONDS", 30, 1, 3600),
            enrolments_per_second=read_number(environment, "ENROLMENTS_PER_SECOND", 50, 1, 10000),
            drain_seconds=read_number(environment, "EDGE_API_DRAIN_SECONDS", 0, 0, 300),
            s3_device_endpoint=checked_endpoint(
                read_text(environment, "S3_DEVICE_ENDPOINT"), "S3_DEVICE_ENDPOINT"
            ),
            namespace=read_text(environment, "FLOTTA_NAMESPACE", FLOTTA_NAMESPACE),
            backend=backend,
        )


def _server_names(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names and addresses the server certificate has to cover, in the order given."""
    given = (*read_words(environment, "SERVER_NAMES"), *read_words(environment, "DOMAIN"))
    names = list(given or (DEFAULT_DOMAIN,))
    if read_flag(environment, "TLS_LOCALHOST_ENABLED", default=True):
        names += LOOPBACK
    return tuple(dict.fromkeys(names))
