"""Init containers: each once in a start, in their order, before podman plays the pod.

podman 4.3 gives them the pod's restart policy and so runs them again and again. Here they are the
containers of a pod of their own with `restartPolicy: Never`, which is made without being started.
Rules: https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#detailed-behavior.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from flotta.backoff import Backoff
from flotta.worker.pod_unit.plan import ProcessPlan
from flotta.worker.pod_unit.podman_calls import (
    PLAY_TIMEOUT,
    CallFailed,
    call,
    make_pod,
    remove_pod,
    wait_exit,
)

RETRY = 10.0, 300.0  # first and longest seconds until a failed container runs again, as Kubernetes


class InitContainerFailed(Exception):
    """An init container failed and is not to run again; the text is a sentence."""


async def run_init_containers(plan: ProcessPlan, manifest: Path) -> None:
    """Run every init container of a manifest until it has succeeded, and remove their pod.

    Raises InitContainerFailed where the pod is not to be restarted, with the pod left to be looked
    at, and CallFailed when podman does not make the pod.
    """
    await remove_pod(plan.init_pod)
    await make_pod(manifest)
    for container in plan.init_containers:
        await _run_until_success(plan, manifest, container)
    await remove_pod(plan.init_pod)


async def _run_until_success(plan: ProcessPlan, manifest: Path, container: str) -> None:
    backoff = Backoff(*RETRY, jitter=0.0)
    while (cause := await _run_once(f"{plan.init_pod}-{container}")) is not None:
        sentence = f'init container "{container}" {cause}'
        if plan.restart_policy == "Never":
            raise InitContainerFailed(sentence)
        print(f"Error: {sentence}", flush=True)  # noqa: T201 - to the journal
        await asyncio.sleep(backoff.next())
        # Another container: what the failed one left in its root file system must not matter.
        await remove_pod(plan.init_pod)
        await make_pod(manifest)


async def _run_once(container: str) -> str | None:
    """Run a container; return how it failed, None if it did not."""
    try:
        await call("start", "--", container, timeout=PLAY_TIMEOUT)
    except CallFailed as error:
        return f"did not start: {error}"
    code = await wait_exit(container)
    return f"exited with code {code}" if code else None
