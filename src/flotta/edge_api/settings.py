"""Settings of the Edge API, read once from the environment (control-plane specification 5.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from flotta.resources.kinds import FLOTTA_NAMESPACE

DEFAULT_PORT = 8043
DEFAULT_DOMAIN = "project-flotta.io"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
BACKENDS = ("crd",)
_TRUE = ("1", "t", "true", "yes", "on")
_FALSE = ("0", "f", "false", "no", "off")


@dataclass(frozen=True)
class Settings:
    """What can be chosen; every field has a default that works on one machine."""

    bind_address: str = "0.0.0.0"  # noqa: S104 - devices come from other machines
    port: int = DEFAULT_PORT
    server_names: tuple[str, ...] = (DEFAULT_DOMAIN, *LOOPBACK)
    metrics_address: tuple[str, int] | None = ("127.0.0.1", 8080)
    certificate_days: int = 30
    registration_namespaces: tuple[str, ...] = ("default",)
    presence_write_seconds: float = 30.0  # the least time between two writes of lastSeenTime
    enrolments_per_second: float = 50.0
    drain_seconds: float = 0.0  # between "not ready" and the end, for balancers to look elsewhere
    s3_device_endpoint: str = (
        ""  # where devices reach the buckets of claims, else as the claims say
    )
    namespace: str = FLOTTA_NAMESPACE  # where the CA and the certificates are kept

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Settings:
        """Return the settings of an environment; ValueError with a sentence for an unusable value."""
        backend = env.get("BACKEND") or "crd"
        if backend not in BACKENDS:
            raise ValueError(f"BACKEND is {backend!r}; this program knows: {', '.join(BACKENDS)}")
        return cls(
            bind_address=env.get("BIND_ADDRESS") or cls.bind_address,
            port=_integer(env, "HTTPS_PORT", DEFAULT_PORT, 0, 65535),
            server_names=_server_names(env),
            metrics_address=_address(env.get("METRICS_ADDR") or "127.0.0.1:8080"),
            certificate_days=_integer(env, "CLIENT_CERT_EXPIRATION_DAYS", 30, 1, 3650),
            registration_namespaces=_words(env.get("REGISTRATION_NAMESPACES")) or ("default",),
            presence_write_seconds=_integer(env, "PRESENCE_WRITE_SECONDS", 30, 1, 3600),
            enrolments_per_second=_integer(env, "ENROLMENTS_PER_SECOND", 50, 1, 10000),
            drain_seconds=_integer(env, "EDGE_API_DRAIN_SECONDS", 0, 0, 300),
            s3_device_endpoint=_https(env, "S3_DEVICE_ENDPOINT"),
            namespace=env.get("FLOTTA_NAMESPACE") or FLOTTA_NAMESPACE,
        )


def _server_names(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names and addresses the server certificate has to cover, in the order given."""
    names = [*_words(env.get("SERVER_NAMES")), *_words(env.get("DOMAIN"))] or [DEFAULT_DOMAIN]
    if _boolean(env, "TLS_LOCALHOST_ENABLED", default=True):
        names += LOOPBACK
    return tuple(dict.fromkeys(names))


def _https(env: Mapping[str, str], name: str) -> str:
    text = (env.get(name) or "").strip().rstrip("/")
    if text and re.fullmatch(r"https://([\w.-]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?", text) is None:
        raise ValueError(f"{name} is {text!r}; use https://HOST:PORT")
    return text


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())


def _integer(env: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = env.get(name)
    if not text:
        return default
    if not text.isdecimal() or not least <= int(text) <= most:
        raise ValueError(f"{name} is {text!r}; use a whole number from {least} to {most}")
    return int(text)


def _boolean(env: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = (env.get(name) or str(default)).lower()
    if text not in _TRUE + _FALSE:
        raise ValueError(f"{name} is {text!r}; use true or false")
    return text in _TRUE


def _address(text: str) -> tuple[str, int] | None:
    """Return host and port of ``host:port``; ``:port`` means every address and ``off`` none."""
    if text in ("off", "0"):
        return None
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"METRICS_ADDR is {text!r}; use host:port, :port or off")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - the user asked for it
