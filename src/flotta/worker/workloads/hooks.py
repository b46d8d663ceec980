"""`lifecycle` of containers: the hooks that the pod's unit runs (`pod_unit.hooks`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from flotta.worker.pod_unit.plan import Hook
from flotta.worker.workloads.http_get_fields import read_http_get, wrong
from flotta.worker.workloads.pod_spec import Container, PodSpec


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
    return tuple(
        hook
        for index, container in enumerate(spec["containers"])
        for hook in _read_hook(container, kind, f"spec.pod.spec.containers[{index}].lifecycle")
    )


def _read_hook(container: Container, kind: Kind, path: str) -> Iterator[Hook]:
    handler = (container.get("lifecycle") or {}).get(kind)
    if handler is None:
        return
    name = container["name"]
    execute, request, sleep = handler.get("exec"), handler.get("httpGet"), handler.get("sleep")
    if execute is not None and execute.get("command"):
        yield Hook(name, command=tuple(str(word) for word in execute["command"]))
    elif request is not None:
        yield Hook(name, http_get=read_http_get(request, container, f"{path}.{kind}.httpGet"))
    elif sleep is not None:
        yield Hook(name, sleep=max(0, int(sleep.get("seconds") or 0)))
    else:
        raise wrong(f"{path}.{kind}", "needs one of exec with a command, httpGet and sleep")
