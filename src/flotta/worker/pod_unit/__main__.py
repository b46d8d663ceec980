"""`python -m flotta.worker.pod_unit STAGE PLAN UNIT`: run by the units of pods.

PLAN is the path of `process.json`, UNIT the name of the unit. Exit status 1 and a sentence on
standard error when the stage failed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from flotta.worker.pod_unit.addresses import write_addresses
from flotta.worker.pod_unit.hooks import HookFailed, run_post_start, run_pre_stop
from flotta.worker.pod_unit.init_containers import InitContainerFailed, run_init_containers
from flotta.worker.pod_unit.non_root import RunsAsRoot, check_users
from flotta.worker.pod_unit.plan import ADDRESSED_INIT, STARTED_PLAN, ProcessPlan, read_plan
from flotta.worker.pod_unit.podman_calls import CallFailed, list_running, remove_pod, stop_pod
from flotta.worker.systemd import stop_later

UNASKED = 10.0  # seconds until a systemctl that failed was not ended by what it asked for

Stage = Callable[[ProcessPlan, Path], Awaitable[None]]


async def _initialise(plan: ProcessPlan, directory: Path) -> None:
    name = ADDRESSED_INIT if plan.is_addressed else "init.yaml"
    await run_init_containers(plan, directory / name)


async def _post_start(plan: ProcessPlan, directory: Path) -> None:
    await run_post_start(plan)


async def _pre_stop(plan: ProcessPlan, directory: Path) -> None:
    if not os.environ.get("MAINPID"):
        return  # the pod ended by itself
    for sentence in await run_pre_stop(plan):
        _say(sentence)


async def _clean(plan: ProcessPlan, directory: Path) -> None:
    """Stop what still runs: systemd does not know the containers, only podman does."""
    if await list_running(plan.init_pod):
        await stop_pod(plan.init_pod, plan.grace)
        await remove_pod(plan.init_pod)
    if await list_running(plan.workload):  # it stays, so that its exit codes can be read
        await stop_pod(plan.workload, plan.grace)


STAGES: dict[str, Stage] = {
    "users": check_users,
    "addresses": write_addresses,
    "initialise": _initialise,
    "post-start": _post_start,
    "pre-stop": _pre_stop,
    "clean": _clean,
}


def _say(sentence: str) -> None:
    sys.stderr.write(f"Error: {sentence}\n")
    sys.stderr.flush()


def _read_plan(stage: str, path: Path) -> ProcessPlan | None:
    """Return the plan for a stage, None if there is nothing to do.

    A pod ends as the plan says by which it was started. `path` may have that of its successor.
    """
    if stage != "pre-stop":
        return read_plan(path)
    try:
        return read_plan(path.with_name(STARTED_PLAN))
    except FileNotFoundError:
        return None


async def _run_stage(stage: str, path: Path, unit: str) -> int:
    plan = _read_plan(stage, path)
    if plan is None:
        return 0
    try:
        await STAGES[stage](plan, path.parent)
    except (InitContainerFailed, HookFailed) as error:
        _say(str(error))
        return await _end_for_good(unit) if plan.restart_policy == "Never" else 1
    return 0


async def _end_for_good(unit: str) -> int:
    """Stop the own unit and wait until systemd ends this process; return an exit status.

    A unit that fails would be started again, and this pod runs only once. A process that ends with
    0 does not make the unit fail.
    """
    ended = asyncio.Event()
    # Before: systemd may be faster than systemctl, which it then ends as well.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    asked = await stop_later(unit)
    try:
        async with asyncio.timeout(None if asked else UNASKED):
            await ended.wait()
    except TimeoutError:
        return 1
    return 0


def main(arguments: list[str]) -> int:
    """Carry out one stage of a plan; return an exit status, with the cause on standard error."""
    stage, path, unit = arguments
    try:
        return asyncio.run(_run_stage(stage, Path(path), unit))
    except (CallFailed, RunsAsRoot, OSError, ValueError) as error:
        _say(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
