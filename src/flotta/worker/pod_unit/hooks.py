"""`postStart` and `preStop` of containers.

Rules: https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/. As there, any
answer to a request is success.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import time
from collections.abc import Collection, Sequence
from typing import Literal

from flotta.identity.ssl_contexts import unverified_client_context
from flotta.worker.pod_unit.plan import Hook, HttpGet, ProcessPlan
from flotta.worker.pod_unit.podman_calls import (
    CallFailed,
    execute,
    find_infra,
    list_running,
    read_networks,
    stop_pod,
)

HOOK_TIMEOUT = 24 * 3600.0  # seconds for a postStart hook: Kubernetes has no limit
LEAST_GRACE = 2  # seconds that containers have after a preStop hook took all, as Kubernetes
LOOPBACK = "127.0.0.1"


Kind = Literal["postStart", "preStop"]


class HookFailed(Exception):
    """A hook failed; the text is a sentence."""


async def run_post_start(plan: ProcessPlan) -> None:
    """Run the postStart hooks at once; raises HookFailed if one fails."""
    for sentence in await run_hooks(plan, "postStart", HOOK_TIMEOUT):
        raise HookFailed(sentence)


async def run_pre_stop(plan: ProcessPlan) -> list[str]:
    """Run the preStop hooks of the containers that run, then stop the pod; return what failed.

    Hooks and containers share the grace period; without one no hook runs. Raises CallFailed when
    podman does not stop it.
    """
    began = time.monotonic()
    running = await list_running(plan.workload) if plan.grace else ()
    containers = [name.removeprefix(f"{plan.workload}-") for name in running]
    failures = await run_hooks(plan, "preStop", plan.grace, containers)
    await stop_pod(plan.workload, round(grace_left(plan.grace, began)))
    return failures


def grace_left(grace: float, began: float) -> float:
    """Return the seconds for the containers after hooks that began then, by the monotonic clock."""
    return max(LEAST_GRACE, grace - (time.monotonic() - began))


async def run_hooks(
    plan: ProcessPlan,
    kind: Kind,
    seconds: float,
    containers: Collection[str] | None = None,
    launcher: Sequence[str] = (),
) -> list[str]:
    """Run hooks at the same time, of these containers or of all; return what failed, as sentences.

    `seconds` is how long each may take, `launcher` what runs podman (`podman_calls.execute`).
    """
    hooks = [
        hook
        for hook in (plan.post_start if kind == "postStart" else plan.pre_stop)
        if containers is None or hook.container in containers
    ]
    causes = await asyncio.gather(*(_run_hook(plan, hook, seconds, launcher) for hook in hooks))
    return [
        f'the {kind} hook of container "{hook.container}" failed: {cause}'
        for hook, cause in zip(hooks, causes, strict=True)
        if cause
    ]


async def _run_hook(plan: ProcessPlan, hook: Hook, seconds: float, launcher: Sequence[str]) -> str:
    try:
        if hook.command:
            await execute(f"{plan.workload}-{hook.container}", hook.command, seconds, launcher)
        elif hook.http_get is not None:
            await _request(plan, hook.http_get, seconds)
        else:
            await asyncio.sleep(min(hook.sleep, seconds))
    except TimeoutError:
        return f"no answer within {seconds:.0f} seconds"
    except (CallFailed, OSError, ValueError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    return ""


async def _request(plan: ProcessPlan, action: HttpGet, seconds: float) -> None:
    host = action.host
    if not host and plan.host_network:
        host = LOOPBACK
    if not host:
        networks = await read_networks(await find_infra(plan.workload))
        host = next(iter(networks.values()), LOOPBACK)
    connection = _prepare_connection(action, host, seconds)
    try:
        async with asyncio.timeout(seconds):  # for all of it; that of a socket is for each step
            await asyncio.to_thread(_get, connection, action)
    finally:
        if connection.sock is not None:  # ends the thread, which cannot be cancelled
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        connection.close()


def _prepare_connection(action: HttpGet, host: str, seconds: float) -> http.client.HTTPConnection:
    if action.scheme.upper() == "HTTPS":
        context = unverified_client_context()
        return http.client.HTTPSConnection(host, action.port, timeout=seconds, context=context)
    return http.client.HTTPConnection(host, action.port, timeout=seconds)


def _get(connection: http.client.HTTPConnection, action: HttpGet) -> None:
    connection.request("GET", action.path or "/", headers=dict(action.headers))
    connection.getresponse()
