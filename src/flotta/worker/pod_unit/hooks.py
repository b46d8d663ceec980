"""`postStart` and `preStop` of containers.

Rules: https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/. As there, any
answer to a request is success.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from typing import Literal

from flotta.worker.host_address import LOOPBACK
from flotta.worker.http_get_action import HttpGet
from flotta.worker.pod_unit.plan import Hook, ProcessPlan
from flotta.worker.pod_unit.podman_calls import (
    CallFailed,
    execute,
    find_infra,
    list_running,
    read_networks,
    stop_pod,
)
from flotta.worker.probes.http_get import get_any
from flotta.worker.probes.probe import ProbeFailed, ProbeImpossible

HOOK_TIMEOUT = 24 * 3600.0  # seconds for a postStart hook: Kubernetes has no limit
LEAST_GRACE = 2  # seconds that containers have after a preStop hook took all, as Kubernetes


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
    except (CallFailed, ProbeFailed, ProbeImpossible, OSError, ValueError) as error:
        return str(error) or type(error).__name__
    return ""


async def _request(plan: ProcessPlan, action: HttpGet, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        await get_any(action, action.host or await _find_address(plan))


async def _find_address(plan: ProcessPlan) -> str:
    if plan.host_network:
        return LOOPBACK
    networks = await read_networks(await find_infra(plan.workload))
    return next(iter(networks.values()), LOOPBACK)
