"""What the worker reads and changes of PodSpecs and ConfigMaps, and where they are parsed.

The text comes from the author of the workload. Only what everything else relies on is checked: it
is a mapping, with containers that have a name and an image. Other fields are typed as Kubernetes
has them and trusted; where one has another shape, the code that reads it fails with Python's own
error, which `desired` reports as InvalidSpecification. Fields that are not listed are podman's.
"""

from __future__ import annotations

from typing import Required, TypedDict, cast

import yaml

from flotta.protocol.reasons.workloads import INVALID_SPECIFICATION
from flotta.worker.errors import WorkloadError
from flotta.yaml_loader import load_yaml

MAX_CAUSE = 300  # characters of the YAML parser's message


class Reference(TypedDict, total=False):
    """`configMapRef` or `secretRef` of a container."""

    name: str
    optional: bool


class KeyReference(Reference, total=False):
    """`configMapKeyRef` or `secretKeyRef` of a variable."""

    key: str


class EnvFromSource(TypedDict, total=False):
    """An entry of `envFrom`."""

    prefix: str
    configMapRef: Reference
    secretRef: Reference


class FieldReference(TypedDict, total=False):
    """`fieldRef` of a variable or file."""

    fieldPath: str


class ResourceFieldReference(TypedDict, total=False):
    """`resourceFieldRef` of a variable or file; `divisor` is a quantity."""

    containerName: str
    resource: str
    divisor: str | int


class EnvVarSource(TypedDict, total=False):
    """`valueFrom` of a variable."""

    configMapKeyRef: KeyReference
    secretKeyRef: KeyReference
    fieldRef: FieldReference
    resourceFieldRef: ResourceFieldReference


class EnvVar(TypedDict, total=False):
    """An entry of `env`."""

    name: Required[str]
    value: str
    valueFrom: EnvVarSource


class ContainerPort(TypedDict, total=False):
    """An entry of `ports`."""

    name: str
    containerPort: int
    hostPort: int


class VolumeMount(TypedDict, total=False):
    """An entry of `volumeMounts`."""

    name: str
    mountPath: str
    readOnly: bool
    subPath: str
    subPathExpr: str


class Resources(TypedDict, total=False):
    """`resources` of a container: quantities by resource."""

    limits: dict[str, str | int | float]
    requests: dict[str, str | int | float]


class SecurityContext(TypedDict, total=False):
    """`securityContext` of a container; more of it is podman's."""

    runAsUser: int
    runAsNonRoot: bool


class ExecAction(TypedDict, total=False):
    """`exec` of a hook."""

    command: list[str]


class HttpHeader(TypedDict):
    """An entry of `httpHeaders`."""

    name: str
    value: str


class HttpGetAction(TypedDict, total=False):
    """`httpGet` of a hook; a port may be a name."""

    host: str
    path: str
    port: int | str
    scheme: str
    httpHeaders: list[HttpHeader]


class SleepAction(TypedDict, total=False):
    """`sleep` of a hook."""

    seconds: int


class LifecycleHandler(TypedDict, total=False):
    """`postStart` or `preStop`."""

    exec: ExecAction
    httpGet: HttpGetAction
    sleep: SleepAction


class Lifecycle(TypedDict, total=False):
    """`lifecycle` of a container."""

    postStart: LifecycleHandler
    preStop: LifecycleHandler


class Container(TypedDict, total=False):
    """A regular or init container."""

    name: Required[str]
    image: Required[str]
    imagePullPolicy: str
    command: list[str]
    args: list[str]
    resources: Resources
    securityContext: SecurityContext
    env: list[EnvVar]
    envFrom: list[EnvFromSource]
    ports: list[ContainerPort]
    lifecycle: Lifecycle
    volumeMounts: list[VolumeMount]


class KeyToPath(TypedDict, total=False):
    """An entry of `items` of a volume; `mode` has permission bits."""

    key: Required[str]
    path: Required[str]
    mode: int


class KeyedSource(TypedDict, total=False):
    """Which keys of a ConfigMap or Secret become files."""

    optional: bool
    items: list[KeyToPath]


class ConfigMapSource(KeyedSource, total=False):
    """`configMap` of a volume, or `configMap` or `secret` of a projected one."""

    name: str
    defaultMode: int


class SecretSource(KeyedSource, total=False):
    """`secret` of a volume."""

    secretName: str
    defaultMode: int


class DownwardFile(TypedDict, total=False):
    """An entry of `items` of a downwardAPI volume."""

    path: Required[str]
    mode: int
    fieldRef: FieldReference
    resourceFieldRef: ResourceFieldReference


class DownwardSource(TypedDict, total=False):
    """`downwardAPI` of a volume."""

    items: list[DownwardFile]
    defaultMode: int


class ProjectedSource(TypedDict, total=False):
    """An entry of `sources` of a projected volume; its Secrets have a `name`."""

    configMap: ConfigMapSource
    secret: ConfigMapSource
    downwardAPI: DownwardSource


class ProjectedVolume(TypedDict, total=False):
    """`projected` of a volume."""

    sources: list[ProjectedSource]
    defaultMode: int


class EmptyDir(TypedDict, total=False):
    """`emptyDir` of a volume; `sizeLimit` is a quantity of bytes."""

    medium: str
    sizeLimit: str | int


class ClaimSource(TypedDict, total=False):
    """`persistentVolumeClaim` of a volume."""

    claimName: Required[str]
    readOnly: bool


class HostPath(TypedDict, total=False):
    """`hostPath` of a volume."""

    path: Required[str]
    type: str


class ImageSource(TypedDict, total=False):
    """`image` of a volume."""

    reference: Required[str]
    pullPolicy: str


class Volume(TypedDict, total=False):
    """An entry of `volumes`; other kinds of volume are podman's."""

    name: Required[str]
    configMap: ConfigMapSource
    secret: SecretSource
    projected: ProjectedVolume
    downwardAPI: DownwardSource
    emptyDir: EmptyDir | None
    persistentVolumeClaim: ClaimSource
    hostPath: HostPath
    image: ImageSource


class PodSecurityContext(TypedDict, total=False):
    """`securityContext` of a pod; more of it is podman's."""

    fsGroup: int
    fsGroupChangePolicy: str
    supplementalGroups: list[int]
    runAsUser: int
    runAsNonRoot: bool


class DnsConfig(TypedDict, total=False):
    """`dnsConfig` of a pod."""

    searches: list[str]


class PodSpec(TypedDict, total=False):
    """The specification of a pod."""

    containers: Required[list[Container]]
    initContainers: list[Container]
    volumes: list[Volume]
    securityContext: PodSecurityContext
    hostNetwork: bool
    imagePullSecrets: list[Reference]
    dnsPolicy: str
    dnsConfig: DnsConfig
    restartPolicy: str
    terminationGracePeriodSeconds: int


class ConfigMap(TypedDict, total=False):
    """A ConfigMap that comes with a workload; `binaryData` is base64."""

    metadata: dict[str, str]
    data: dict[str, object]
    binaryData: dict[str, str]


def parse_pod_spec(text: str) -> PodSpec:
    """Read the YAML of a PodSpec; raises WorkloadError InvalidSpecification."""
    document = _load_mapping(text, "the pod specification")
    containers = document.get("containers")
    if not isinstance(containers, list) or not containers:
        raise invalid_specification("the pod specification has no containers")
    spec = cast("PodSpec", document)  # what is not checked is taken on trust, see above
    for container in list_containers(spec):
        _check_container(container)
    return spec


def parse_config_map(text: str) -> ConfigMap:
    """Read the YAML of a ConfigMap; raises WorkloadError InvalidSpecification."""
    return cast("ConfigMap", _load_mapping(text, "a ConfigMap"))  # taken on trust, see above


def list_containers(spec: PodSpec) -> list[Container]:
    """Return init containers and regular ones, in the order in which they run."""
    return [*(spec.get("initContainers") or []), *spec["containers"]]


def invalid_specification(message: str) -> WorkloadError:
    """Return the error for a specification that cannot run on any device."""
    return WorkloadError(INVALID_SPECIFICATION, message, permanent=True)


def _check_container(container: object) -> None:
    if not isinstance(container, dict) or not container.get("name"):
        raise invalid_specification("a container has no name")
    if not container.get("image"):
        raise invalid_specification(f'container "{container["name"]}" has no image')


def _load_mapping(text: str, what: str) -> dict[str, object]:
    try:
        document = load_yaml(text)
    except yaml.YAMLError as error:
        place = " ".join(str(error).split())[:MAX_CAUSE]
        raise invalid_specification(f"{what} is not valid YAML: {place}") from error
    if not isinstance(document, dict):
        raise invalid_specification(f"{what} is not a mapping")
    return document
