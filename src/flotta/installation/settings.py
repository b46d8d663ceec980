"""What an administrator may choose about an installation; read and checked once, here."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from flotta import __version__
from flotta.dns1123 import is_label
from flotta.fleet.claim_ownership import NOOBAA_CLASS
from flotta.installation import names
from flotta.installation.options import (
    NO_KEYS,
    Ingress,
    NetworkPolicy,
    Resources,
    Route,
    ServiceMonitor,
    SettingsGroup,
    Storage,
    check_certificates,
)
from flotta.own_names import EDGE_API, OPERATOR
from flotta.protocol.store_url import checked_url
from flotta.settings import installation as table
from flotta.settings.common import LOG_LEVEL, NAMESPACE
from flotta.settings.edge_api import (
    BACKEND,
    CLIENT_CERT_EXPIRATION_DAYS,
    PROXY_PROTOCOL,
    REGISTRATION_NAMESPACES,
    REMOTE_BACKEND_TIMEOUT,
)
from flotta.settings.operator import (
    AUTO_APPROVAL,
    DECOMMISSION_TIMEOUT,
    EDGEWORKLOAD_CONCURRENCY,
    MAX_CONCURRENT_RECONCILES,
    REQUEST_EXPIRY,
)
from flotta.settings.setting import Choice, Duration, Number

IMAGE = f"localhost/flotta-edge-control-plane:{__version__}"
# Settings that say themselves what they may be.
CHECKED: tuple[Choice | Duration | Number, ...] = (
    BACKEND,
    REMOTE_BACKEND_TIMEOUT,
    table.IMAGE_PULL_POLICY,
    table.SERVICE_TYPE,
    LOG_LEVEL,
    table.EDGE_API_REPLICAS,
    table.OPERATOR_REPLICAS,
    table.NODE_PORT,
    CLIENT_CERT_EXPIRATION_DAYS,
    DECOMMISSION_TIMEOUT,
    REQUEST_EXPIRY,
    EDGEWORKLOAD_CONCURRENCY,
    MAX_CONCURRENT_RECONCILES,
)


class Accepted(NamedTuple):
    """What a setting may be as it was written, and what to say of anything else."""

    types: tuple[type, ...]
    remedy: str


# By the annotation of the field. What is missing here is checked by the class itself.
ACCEPTED: Mapping[str, Accepted] = {
    "str": Accepted((str,), "use text, in quotes where it is made of digits"),
    "bool": Accepted((bool,), "use true or false"),
    "bool | None": Accepted((bool,), "use true or false"),
    "tuple[str, ...]": Accepted((list, tuple), "use a list"),
}
GROUPS: Mapping[str, type[SettingsGroup]] = {
    "s3": Storage,
    "ingress": Ingress,
    "route": Route,
    "network_policy": NetworkPolicy,
    "service_monitor": ServiceMonitor,
    "edge_api_resources": Resources,
    "operator_resources": Resources,
}


@dataclass(frozen=True)
class Installation:
    """One control plane on one cluster. Times are seconds.

    Raises ValueError with a sentence for a bad value.
    """

    namespace: str = NAMESPACE.default
    components: tuple[str, ...] = table.COMPONENTS.default
    image: str = IMAGE
    image_pull_policy: str = table.IMAGE_PULL_POLICY.default
    image_pull_secrets: tuple[str, ...] = ()
    version: str = __version__
    edge_api_replicas: int = table.EDGE_API_REPLICAS.default
    operator_replicas: int = table.OPERATOR_REPLICAS.default
    edge_api_resources: Resources = field(default_factory=Resources)
    operator_resources: Resources = field(default_factory=Resources)
    service_type: str = table.SERVICE_TYPE.default
    node_port: int = table.NODE_PORT.default
    server_names: tuple[str, ...] = ()
    registration_namespaces: tuple[str, ...] = REGISTRATION_NAMESPACES.default
    device_certificate_days: int = CLIENT_CERT_EXPIRATION_DAYS.default
    proxy_protocol: bool = PROXY_PROTOCOL.default
    backend: str = BACKEND.default
    remote_backend_url: str = ""
    remote_backend_timeout: str = REMOTE_BACKEND_TIMEOUT.default
    remote_backend_ca_pem: str = ""  # empty: the CA of the Edge API
    auto_approval: bool = AUTO_APPROVAL.default
    bucket_for_every_device: bool | None = None  # None: where somebody provides
    bucket_storage_class: str = ""  # empty: the operator's own
    decommission_timeout: int = DECOMMISSION_TIMEOUT.default
    request_expiry: int = REQUEST_EXPIRY.default
    edgeworkload_concurrency: int = EDGEWORKLOAD_CONCURRENCY.default
    max_concurrent_reconciles: int = MAX_CONCURRENT_RECONCILES.default
    log_level: str = LOG_LEVEL.default
    s3: Storage | None = None
    ingress: Ingress | None = None
    route: Route | None = None
    network_policy: NetworkPolicy | None = None
    service_monitor: ServiceMonitor | None = None
    openshift: bool = False  # the namespace of OpenShift's storage is there
    assigned_users: bool = False  # the cluster itself says who pods run as (OpenShift)
    found_names: tuple[str, ...] = field(default=(), compare=False)  # of nodes or load balancer

    def __post_init__(self) -> None:
        _check_label("namespace", self.namespace)
        check_components(self.components)
        for setting in CHECKED:
            setting.check(getattr(self, setting.option), setting.option)
        if not self.image or any(letter.isspace() for letter in self.image):
            raise ValueError(f"image is {self.image!r}; use the name of a container image")
        for name in self.server_names:
            _check_server_name(name)
        if not self.registration_namespaces:
            raise ValueError("registration_namespaces is empty; name at least one namespace")
        for name in self.registration_namespaces:
            _check_label("registration_namespaces", name)
        self._check_storage()
        self._check_remote_backend()

    def _check_remote_backend(self) -> None:
        if self.remote_backend_url:
            checked_url(self.remote_backend_url, "remote_backend_url")
        elif self.backend == "remote" and EDGE_API in self.programs:
            raise ValueError(
                "backend remote needs remote_backend_url: set it to the URL of the data store, "
                "https://HOST:PORT"
            )
        check_certificates(self.remote_backend_ca_pem, "remote_backend_ca_pem")

    def _check_storage(self) -> None:
        if self.provisioner is not None and self.bucket_storage_class == NOOBAA_CLASS:
            raise ValueError(
                f"bucket_storage_class {NOOBAA_CLASS} is served by OpenShift Data Foundation; "
                "leave out s3, or choose another class"
            )
        if self.s3 is not None and not self.s3.makes_buckets and not self.bucket_storage_class:
            raise ValueError(NO_KEYS)
        if self.bucket_for_every_device and self.s3 is None and not self.bucket_storage_class:
            raise ValueError(
                "bucket_for_every_device needs an S3 server: set s3, or bucket_storage_class of "
                "another provisioner"
            )

    @property
    def programs(self) -> tuple[str, ...]:
        """The programs that are installed."""
        return programs_of(self.components)

    @property
    def stores_fleet(self) -> bool:
        """Whether something that is installed works with the fleet in the resource API."""
        return OPERATOR in self.programs or self.backend != "remote"

    @property
    def certificate_names(self) -> tuple[str, ...]:
        """Every name and address at which devices or pods reach the Edge API, the best first."""
        service = f"flotta-edge-api.{self.namespace}.svc"
        inside = (service, f"{service}.cluster.local")
        return tuple(
            dict.fromkeys((*self.server_names, *self.ingress_hosts, *self.found_names, *inside))
        )

    @property
    def ingress_hosts(self) -> tuple[str, ...]:
        """The names of Ingress and Route, if there are any."""
        return tuple(part.host for part in (self.ingress, self.route) if part is not None)

    @property
    def provisioner(self) -> Storage | None:
        """The S3 server in which our operator makes buckets, None where it makes none."""
        return self.s3 if self.s3 is not None and self.s3.makes_buckets else None

    @property
    def makes_buckets(self) -> bool:
        """Whether every device gets a bucket."""
        if self.bucket_for_every_device is None:
            return self.s3 is not None or bool(self.bucket_storage_class)
        return self.bucket_for_every_device

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, object]) -> Installation:
        """Return the installation that mappings and lists of these names describe.

        None means the default. Raises ValueError with a sentence, also for an unknown name.
        """
        known = {item.name for item in fields(cls)} - {"found_names"}
        unknown = sorted(set(parameters) - known)
        if unknown:
            raise ValueError(f"{unknown[0]} is not a setting; use {', '.join(sorted(known))}")
        given = {name: value for name, value in parameters.items() if value is not None}
        for item in fields(cls):
            if item.name in given:
                _check_type(item.name, str(item.type), given[item.name])
        return cls(**{name: _convert(name, value) for name, value in given.items()})


def programs_of(components: Collection[str]) -> tuple[str, ...]:
    """Return the names of the programs of components."""
    return tuple(name for key, name in names.COMPONENT_PROGRAMS.items() if key in components)


def check_components(components: Collection[str]) -> None:
    """Raise ValueError unless there are components and all are known."""
    known = table.COMPONENTS.values
    if not components or not set(components) <= set(known):
        raise ValueError(f"components is {list(components)}; use a list of {' and '.join(known)}")


def _convert(name: str, value: object) -> Any:
    """Return a value as its field holds it; of which type that is, `_check_type` has made sure."""
    part = GROUPS.get(name)
    if part is not None:
        return part.from_parameters(name, value)
    if isinstance(value, list):
        return tuple(dict.fromkeys(str(item) for item in value))
    return value


def _check_type(name: str, annotation: str, value: object) -> None:
    accepted = ACCEPTED.get(annotation)
    if accepted is not None and not isinstance(value, accepted.types):
        raise ValueError(f"{name} is {value!r}; {accepted.remedy}")


def _check_label(name: str, value: str) -> None:
    if not is_label(value):
        raise ValueError(f"{name} is {value!r}; use a name of lower-case letters, digits and '-'")


def _check_server_name(name: str) -> None:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        if not all(map(is_label, name.removeprefix("*.").split("."))):
            raise ValueError(
                f"server_names has {name!r}; use host names and addresses, without scheme or port"
            ) from None
