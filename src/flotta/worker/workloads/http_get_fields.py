"""`httpGet` and `port` of probes and hooks, with the path of the field in what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flotta.worker.errors import WorkloadError
from flotta.worker.http_get_action import HttpGet
from flotta.worker.workloads.pod_spec import invalid_specification

MAX_PORT = 65535
Fields = Mapping[str, Any]  # an object of a PodSpec, as its author wrote it


def read_http_get(action: Fields, container: Fields, path: str) -> HttpGet:
    """Return the request of an `httpGet` at `path`; raises WorkloadError InvalidSpecification.

    The ports of `container` must still have their names.
    """
    scheme = action.get("scheme") or "HTTP"
    if scheme not in ("HTTP", "HTTPS"):
        raise wrong(f"{path}.scheme", "must be HTTP or HTTPS")
    given: Sequence[Fields] = action.get("httpHeaders") or []
    return HttpGet(
        port=read_port(action, container, path),
        path=str(action.get("path") or "/"),
        scheme=scheme,
        host=str(action.get("host") or ""),
        headers=tuple((str(header["name"]), str(header.get("value", ""))) for header in given),
    )


def read_port(action: Fields, container: Fields, path: str) -> int:
    """Return the number of a port, which may be one of the container's by name.

    Raises WorkloadError InvalidSpecification for one that does not exist.
    """
    port = action.get("port")
    if isinstance(port, int):
        return check_port(port, path)
    if isinstance(port, str) and port.isascii() and port.isdecimal():
        return check_port(int(port), path)
    for known in container.get("ports") or []:
        if port and known.get("name") == port:
            return check_port(known.get("containerPort") or known.get("hostPort"), path)
    raise wrong(f"{path}.port", f'container "{container["name"]}" has no port {str(port)[:80]!r}')


def check_port(port: object, path: str) -> int:
    """Return a port's number; raises WorkloadError InvalidSpecification for another value."""
    if not isinstance(port, int) or not 1 <= port <= MAX_PORT:
        raise wrong(f"{path}.port", f"must be from 1 to {MAX_PORT}")
    return port


def wrong(path: str, problem: str) -> WorkloadError:
    """Return the error for the field at a path."""
    return invalid_specification(f"{path}: {problem}")
