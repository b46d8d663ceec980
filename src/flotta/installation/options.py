"""Parts of an installation with settings of their own: storage, resources, optional parts."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Self

from flotta.identity.issuers import BundleError, load_bundle
from flotta.settings import installation as table
from flotta.storage.endpoints import checked_endpoint


@dataclass(frozen=True)
class SettingsGroup:
    """A group of settings; `from_parameters` refuses unknown ones."""

    @classmethod
    def from_parameters(cls, name: str, parameters: object) -> Self:
        """Return the group that a mapping describes; None in it means the default.

        `name` is that of the group in messages. Raises ValueError for what is not a mapping, for
        an unknown or missing setting, and for a value that the group refuses.
        """
        if not isinstance(parameters, Mapping):
            raise ValueError(f"{name} is {parameters!r}; use a mapping")
        known = {item.name: item for item in fields(cls)}
        unknown = sorted(set(parameters) - set(known))
        if unknown:
            raise ValueError(f"{name}.{unknown[0]} is not a setting; use {', '.join(known)}")
        given = {key: value for key, value in parameters.items() if value is not None}
        missing = [
            key
            for key, item in known.items()
            if item.default is MISSING and item.default_factory is MISSING and key not in given
        ]
        if missing:
            raise ValueError(f"{name}.{missing[0]} is missing")
        return cls(**{key: _freeze(value) for key, value in given.items()})


def _freeze(value: Any) -> Any:
    """Return a value that a frozen dataclass may contain; its type is not checked here."""
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True)
class Resources(SettingsGroup):
    """The requests and limits of a pod, in Kubernetes' quantities."""

    cpu_request: str = table.CPU_REQUEST
    memory_request: str = table.MEMORY_REQUEST
    cpu_limit: str = table.CPU_LIMIT
    memory_limit: str = table.MEMORY_LIMIT


NO_KEYS = (
    "s3 must say where devices get access keys from: set s3.iam_endpoint, or else "
    "s3.shared_keys=true to give every device the administrator's access key"
)


@dataclass(frozen=True)
class Storage(SettingsGroup):
    """The S3 server in which the operator creates buckets, and how devices get access keys.

    Without `access_key` the user creates the Secret flotta-s3-admin. With `device_endpoint` alone
    another provisioner creates the buckets, and devices reach them at this address.
    """

    device_endpoint: str = ""
    endpoint: str = ""
    iam_endpoint: str = ""
    shared_keys: bool = False
    region: str = ""
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    ca_pem: str = ""

    def __post_init__(self) -> None:
        if not (self.device_endpoint or self.endpoint):
            raise ValueError("s3.device_endpoint is missing: the address at which devices reach S3")
        inside = ("https", "http") if self.device_endpoint else ("https",)
        checked_endpoint(self.device_endpoint, "s3.device_endpoint")
        checked_endpoint(self.endpoint, "s3.endpoint", inside)
        checked_endpoint(self.iam_endpoint, "s3.iam_endpoint")
        self._check_keys()
        check_certificates(self.ca_pem, "s3.ca_pem")
        if self.ca_pem and not self.access_key:
            raise ValueError(
                "s3.ca_pem needs s3.access_key: both are kept in the Secret flotta-s3-admin, "
                "so put the CA there as ca.crt if you create that Secret yourself"
            )

    @property
    def makes_buckets(self) -> bool:
        """Whether our operator creates the buckets."""
        return bool(self.iam_endpoint) or self.shared_keys

    def _check_keys(self) -> None:
        if bool(self.access_key) != bool(self.secret_key):
            raise ValueError("s3.access_key and s3.secret_key belong together; set both or neither")
        others = self.endpoint or self.region or self.access_key or self.ca_pem
        if (self.iam_endpoint and self.shared_keys) or (others and not self.makes_buckets):
            raise ValueError(NO_KEYS)


@dataclass(frozen=True)
class Ingress(SettingsGroup):
    """An Ingress that passes TLS through to the Edge API, as ingress-nginx understands it."""

    host: str
    class_name: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Route(SettingsGroup):
    """A Route of OpenShift that passes TLS through to the Edge API."""

    host: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NetworkPolicy(SettingsGroup):
    """Who may connect to the pods: devices from these networks, monitoring from this namespace."""

    device_networks: tuple[str, ...] = ("0.0.0.0/0", "::/0")
    monitoring_namespace: str = ""

    def __post_init__(self) -> None:
        for network in self.device_networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise ValueError(
                    f"network_policy.device_networks has {network!r}; use a network such as "
                    "192.0.2.0/24"
                ) from error


@dataclass(frozen=True)
class ServiceMonitor(SettingsGroup):
    """A ServiceMonitor for Prometheus Operator."""

    interval: str = table.SCRAPE_INTERVAL.default
    labels: Mapping[str, str] = field(default_factory=dict)


def check_certificates(pem: str, name: str) -> None:
    """Raise ValueError with a sentence, which names the setting, unless it is empty or PEM."""
    try:
        if pem:
            load_bundle(pem)
    except BundleError:
        raise ValueError(f"{name} does not contain a certificate in PEM form") from None
