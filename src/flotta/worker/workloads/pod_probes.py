"""From the probes of a PodSpec to those that the worker carries out.

podman gets none of them. What the API of Kubernetes refuses of a probe is refused here too, with
the path of the field (docs/reference/device.md#probes).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flotta.worker.probes.probe import (
    Action,
    ContainerProbes,
    Exec,
    Grpc,
    Probe,
    ProbeKind,
    TcpSocket,
)
from flotta.worker.workloads.http_get_fields import (
    Fields,
    check_port,
    read_http_get,
    read_port,
    wrong,
)
from flotta.worker.workloads.pod_spec import PodSpec, invalid_specification
from flotta.worker.workloads.variables import expand

FIELDS = {
    ProbeKind.STARTUP: "startupProbe",
    ProbeKind.LIVENESS: "livenessProbe",
    ProbeKind.READINESS: "readinessProbe",
}
MAX_NUMBER = (1 << 31) - 1  # Kubernetes' numbers of probes are int32
MAX_GRACE = 3600  # seconds; what is longer is refused before (pod_fields)


def take_probes(spec: PodSpec, grace: int) -> tuple[ContainerProbes, ...]:
    """Remove all probes from a specification and return those of its containers that have any.

    `grace` is the pod's, in seconds. Raises WorkloadError InvalidSpecification.
    """
    _refuse_init_probes(spec)
    found = []
    for index, container in enumerate(spec["containers"]):
        fields: dict[str, Any] = container  # type: ignore[assignment]
        path = f"spec.pod.spec.containers[{index}]"
        probes = {
            kind: _read_probe(fields[name], kind, fields, f"{path}.{name}")
            for kind, name in FIELDS.items()
            if fields.get(name) is not None
        }
        for name in FIELDS.values():
            fields.pop(name, None)
        if probes:
            found.append(_of_container(fields["name"], probes, grace))
    return tuple(found)


def _refuse_init_probes(spec: PodSpec) -> None:
    for index, container in enumerate(spec.get("initContainers") or []):
        for name in FIELDS.values():
            if container.get(name):
                raise invalid_specification(
                    f"spec.pod.spec.initContainers[{index}].{name}: init containers have no probes"
                )


def _of_container(name: str, probes: Mapping[ProbeKind, Probe], grace: int) -> ContainerProbes:
    return ContainerProbes(
        container=name,
        grace=grace,
        startup=probes.get(ProbeKind.STARTUP),
        liveness=probes.get(ProbeKind.LIVENESS),
        readiness=probes.get(ProbeKind.READINESS),
    )


def _read_probe(fields: Fields, kind: ProbeKind, container: Fields, path: str) -> Probe:
    probe = Probe(
        action=_read_action(fields, container, path),
        initial_delay=_number(fields, "initialDelaySeconds", path, 0, smallest=0),
        period=_number(fields, "periodSeconds", path, 10),
        timeout=_number(fields, "timeoutSeconds", path, 1),
        success_threshold=_number(fields, "successThreshold", path, 1),
        failure_threshold=_number(fields, "failureThreshold", path, 3),
        grace=_read_grace(fields, path),
    )
    if kind is not ProbeKind.READINESS and probe.success_threshold != 1:
        raise wrong(f"{path}.successThreshold", "must be 1")
    if kind is ProbeKind.READINESS and probe.grace is not None:
        raise wrong(f"{path}.terminationGracePeriodSeconds", "a readiness probe ends nothing")
    return probe


def _number(fields: Fields, name: str, path: str, default: int, *, smallest: int = 1) -> int:
    """Return a field's number; absent, null and 0 stand for the default, as in Kubernetes."""
    value = fields.get(name) or default
    if not isinstance(value, int) or isinstance(value, bool) or not smallest <= value <= MAX_NUMBER:
        raise wrong(f"{path}.{name}", f"must be a whole number from {smallest}")
    return value


def _read_grace(fields: Fields, path: str) -> int | None:
    name = "terminationGracePeriodSeconds"
    return min(_number(fields, name, path, 1), MAX_GRACE) if name in fields else None


def _read_action(fields: Fields, container: Fields, path: str) -> Action:
    named = [name for name in READERS if fields.get(name) is not None]
    if len(named) != 1:
        raise wrong(path, f"needs exactly one of {', '.join(READERS)}")
    return READERS[named[0]](fields[named[0]], container, f"{path}.{named[0]}")


def _read_exec(action: Fields, container: Fields, path: str) -> Exec:
    command = action.get("command") or []
    if not command or not all(isinstance(word, str) and "\0" not in word for word in command):
        raise wrong(f"{path}.command", "must be a list of words")
    # As in Kubernetes, only variables whose values stand in the specification.
    values = {entry["name"]: str(entry.get("value") or "") for entry in container.get("env") or []}
    return Exec(tuple(expand(word, values) for word in command))


def _read_tcp_socket(action: Fields, container: Fields, path: str) -> TcpSocket:
    return TcpSocket(read_port(action, container, path), str(action.get("host") or ""))


def _read_grpc(action: Fields, container: Fields, path: str) -> Grpc:
    port = action.get("port")
    if not isinstance(port, int):
        raise wrong(f"{path}.port", "must be a number")
    return Grpc(check_port(port, path), str(action.get("service") or ""))


READERS: dict[str, Callable[[Fields, Fields, str], Action]] = {
    "exec": _read_exec,
    "httpGet": read_http_get,
    "tcpSocket": _read_tcp_socket,
    "grpc": _read_grpc,
}
