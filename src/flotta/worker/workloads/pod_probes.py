"""From the probes of a PodSpec to those that the worker carries out.

podman gets none of them. What the API of Kubernetes refuses of a probe is refused here too, with
the path of the field (docs/reference/device.md#probes).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flotta.worker.errors import WorkloadError
from flotta.worker.probes.probe import (
    Action,
    ContainerProbes,
    Exec,
    Grpc,
    HttpGet,
    Probe,
    ProbeKind,
    TcpSocket,
)
from flotta.worker.workloads.pod_spec import PodSpec, invalid_specification
from flotta.worker.workloads.variables import expand

FIELDS = {
    ProbeKind.STARTUP: "startupProbe",
    ProbeKind.LIVENESS: "livenessProbe",
    ProbeKind.READINESS: "readinessProbe",
}
MAX_PORT = 65535
MAX_NUMBER = (1 << 31) - 1  # Kubernetes' numbers of probes are int32
MAX_GRACE = 3600  # seconds, as of a pod
Fields = Mapping[str, Any]  # an object of a PodSpec, as its author wrote it


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
        raise _wrong(f"{path}.successThreshold", "must be 1")
    if kind is ProbeKind.READINESS and probe.grace is not None:
        raise _wrong(f"{path}.terminationGracePeriodSeconds", "a readiness probe ends nothing")
    return probe


def _number(fields: Fields, name: str, path: str, default: int, *, smallest: int = 1) -> int:
    """Return a field's number; absent, null and 0 stand for the default, as in Kubernetes."""
    value = fields.get(name) or default
    if not isinstance(value, int) or isinstance(value, bool) or not smallest <= value <= MAX_NUMBER:
        raise _wrong(f"{path}.{name}", f"must be a whole number from {smallest}")
    return value


def _read_grace(fields: Fields, path: str) -> int | None:
    name = "terminationGracePeriodSeconds"
    return min(_number(fields, name, path, 1), MAX_GRACE) if name in fields else None


def _read_action(fields: Fields, container: Fields, path: str) -> Action:
    named = [name for name in READERS if fields.get(name) is not None]
    if len(named) != 1:
        raise _wrong(path, f"needs exactly one of {', '.join(READERS)}")
    return READERS[named[0]](fields[named[0]], container, f"{path}.{named[0]}")


def _read_exec(action: Fields, container: Fields, path: str) -> Exec:
    command = action.get("command") or []
    if not command or not all(isinstance(word, str) and "\0" not in word for word in command):
        raise _wrong(f"{path}.command", "must be a list of words")
    # As in Kubernetes, only variables whose values stand in the specification.
    values = {entry["name"]: str(entry.get("value") or "") for entry in container.get("env") or []}
    return Exec(tuple(expand(word, values) for word in command))


def _read_http_get(action: Fields, container: Fields, path: str) -> HttpGet:
    scheme = action.get("scheme") or "HTTP"
    if scheme not in ("HTTP", "HTTPS"):
        raise _wrong(f"{path}.scheme", "must be HTTP or HTTPS")
    given: Sequence[Fields] = action.get("httpHeaders") or []
    return HttpGet(
        port=_read_port(action, container, path),
        path=str(action.get("path") or "/"),
        scheme=scheme,
        host=str(action.get("host") or ""),
        headers=tuple((str(header["name"]), str(header.get("value", ""))) for header in given),
    )


def _read_tcp_socket(action: Fields, container: Fields, path: str) -> TcpSocket:
    return TcpSocket(_read_port(action, container, path), str(action.get("host") or ""))


def _read_grpc(action: Fields, container: Fields, path: str) -> Grpc:
    port = action.get("port")
    if not isinstance(port, int):
        raise _wrong(f"{path}.port", "must be a number")
    return Grpc(_check_port(port, path), str(action.get("service") or ""))


def _read_port(action: Fields, container: Fields, path: str) -> int:
    """Return the number of a port, which may be one of the container's by name."""
    port = action.get("port")
    if isinstance(port, int):
        return _check_port(port, path)
    if isinstance(port, str) and port.isascii() and port.isdecimal():
        return _check_port(int(port), path)
    for known in container.get("ports") or []:
        if port and known.get("name") == port:
            return _check_port(known.get("containerPort") or known.get("hostPort"), path)
    raise _wrong(f"{path}.port", f'container "{container["name"]}" has no port {port!r}')


def _check_port(port: object, path: str) -> int:
    if not isinstance(port, int) or not 1 <= port <= MAX_PORT:
        raise _wrong(f"{path}.port", f"must be from 1 to {MAX_PORT}")
    return port


def _wrong(path: str, problem: str) -> WorkloadError:
    return invalid_specification(f"{path}: {problem}")


READERS: dict[str, Callable[[Fields, Fields, str], Action]] = {
    "exec": _read_exec,
    "httpGet": _read_http_get,
    "tcpSocket": _read_tcp_socket,
    "grpc": _read_grpc,
}
