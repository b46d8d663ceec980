"""The calls of podman that the unit of a pod makes."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from flotta.backoff import Backoff
from flotta.worker.causes import extract_cause
from flotta.worker.processes import run

COMMAND_TIMEOUT = 120.0  # seconds for a command that waits for no container
PLAY_TIMEOUT = 900.0  # seconds to make a pod, on slow machines too
# Seconds until the next look while podman writes down an exit: it never does for a container whose
# conmon was killed.
SETTLE = 0.2, 30.0


class CallFailed(Exception):
    """A command of podman failed; the text is podman's."""


class ContainerState(NamedTuple):
    """What podman says of a container; `monitor` is the process id of its conmon."""

    status: str
    exit_code: int
    monitor: int


async def call(*argv: str, timeout: float = COMMAND_TIMEOUT) -> str:  # noqa: ASYNC109 (it ends podman)
    """Return what podman prints; raises CallFailed."""
    done = await run("podman", *argv, timeout=timeout)
    if not done.ok:
        raise CallFailed(extract_cause(done.err.splitlines()))
    return done.out.decode(errors="replace").strip()


async def make_pod(manifest: Path) -> None:
    """Make the pod of a manifest without starting it; raises CallFailed."""
    await call("play", "kube", "--start=false", str(manifest), timeout=PLAY_TIMEOUT)


async def remove_pod(pod: str) -> None:
    """Kill and remove a pod, if it exists; raises CallFailed.

    podman 5.4 fails once for a pod whose network went with its last process.
    """
    argv = ("pod", "rm", "-f", "-i", "-t", "0", "--", pod)
    try:
        await call(*argv)
    except CallFailed:
        await call(*argv)


async def list_running(pod: str) -> list[str]:
    """Return the names of the containers of a pod that run, without podman's own.

    A filter by pod would also find one whose id begins with that name.
    """
    listing = await call("ps", "--pod", "--format", "json")
    return [
        entry["Names"][0]
        for entry in json.loads(listing or "[]")
        if entry.get("PodName") == pod and not entry.get("IsInfra")
    ]


async def stop_pod(pod: str, grace: int) -> None:
    """Stop the containers of a pod at once; raises CallFailed if one is still there."""
    await call("pod", "stop", "-t", str(grace), "--", pod, timeout=COMMAND_TIMEOUT + grace)


async def read_state(container: str) -> ContainerState:
    """Return the state of a container; raises CallFailed if it does not exist."""
    template = "{{.State.Status}} {{.State.ExitCode}} {{.State.ConmonPid}}"
    status, code, monitor = (
        await call("container", "inspect", "--format", template, "--", container)
    ).split()
    return ContainerState(status, int(code), int(monitor))


async def wait_exit(container: str) -> int:
    """Wait until a container has exited, for as long as that takes; return its exit code.

    No process waits meanwhile: the kernel says when conmon ends, which the container ends with.
    """
    backoff = Backoff(*SETTLE, jitter=0.0)
    while (state := await read_state(container)).status in ("running", "paused", "stopping"):
        await _wait_process(state.monitor)
        await asyncio.sleep(backoff.next())
    return state.exit_code


async def _wait_process(process: int) -> None:
    try:
        descriptor = os.pidfd_open(process)
    except OSError:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def read_networks(container: str) -> dict[str, str]:
    """Return network → IPv4 or IPv6 address of a container; raises CallFailed."""
    text = await call(
        *("container", "inspect", "--format", "{{json .NetworkSettings.Networks}}", "--", container)
    )
    networks = json.loads(text or "null") or {}
    found = {
        name: network.get("IPAddress") or network.get("GlobalIPv6Address") or ""
        for name, network in networks.items()
    }
    return {name: address for name, address in found.items() if address}


async def find_infra(pod: str) -> str:
    """Return the id of the container that holds a pod's network; raises CallFailed."""
    return await call("pod", "inspect", "--format", "{{.InfraContainerID}}", pod)


async def execute(
    container: str, command: Sequence[str], seconds: float, launcher: Sequence[str] = ()
) -> None:
    """Run a command in a container; raises CallFailed if it does not succeed in time.

    `launcher` is the command that runs podman, if that is not to be a child of this process.
    """
    argv = (*launcher, "podman", "exec", "--", container, *command)
    done = await run(*argv, timeout=seconds)
    if not done.ok:
        raise CallFailed(extract_cause(done.err.splitlines()))
