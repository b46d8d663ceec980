"""`lifecycle` of containers: the hooks that the pod's unit runs (`pod_unit.hooks`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from flotta.worker.pod_unit.plan import Hook, HttpGet
from flotta.worker.workloads.pod_spec import (
    Container,
    HttpGetAction,
    PodSpec,
    invalid_specification,
)


class Hooks(NamedTuple):
    """The hooks of a pod."""

    post_start: tuple[Hook, ...] = ()
    pre_stop: tuple[Hook, ...] = ()


Kind = Literal["postStart", "preStop"]


def read_hooks(spec: PodSpec, kind: Kind) -> tuple[Hook, ...]:
    """Return the hooks of a pod's regular containers.

    Raises WorkloadError InvalidSpecification for one that a device cannot run. The ports of the
    containers must still have their names.
    """
    return tuple(hook for container in spec["containers"] for hook in _read_hook(container, kind))


def _read_hook(container: Container, kind: Kind) -> Iterator[Hook]:
    handler = (container.get("lifecycle") or {}).get(kind)
    if handler is None:
        return
    name = container["name"]
    execute, request, sleep = handler.get("exec"), handler.get("httpGet"), handler.get("sleep")
    if execute is not None and execute.get("command"):
        yield Hook(name, command=tuple(str(word) for word in execute["command"]))
    elif request is not None:
        yield Hook(name, http_get=_read_request(container, request))
    elif sleep is not None:
        yield Hook(name, sleep=max(0, int(sleep.get("seconds") or 0)))
    else:
        raise invalid_specification(
            f'{kind} of container "{name}" has none of exec with a command, httpGet and sleep'
        )


def _read_request(container: Container, action: HttpGetAction) -> HttpGet:
    return HttpGet(
        port=find_port(container, action.get("port")),
        path=str(action.get("path") or "/"),
        host=str(action.get("host") or ""),
        scheme=str(action.get("scheme") or "HTTP"),
        headers=tuple(
            (str(header["name"]), str(header["value"]))
            for header in action.get("httpHeaders") or []
        ),
    )


def find_port(container: Container, port: object) -> int:
    """Return the number of a port, which may be the name of one of the container's ports.

    Raises WorkloadError InvalidSpecification for one that does not exist.
    """
    text = str(port)
    if text.isdecimal() and 0 < int(text) < 1 << 16:
        return int(text)
    for known in container.get("ports") or []:
        number = known.get("containerPort")
        if known.get("name") == text and number:
            return int(number)
    raise invalid_specification(f'container "{container["name"]}" has no port {text[:80]!r}')
