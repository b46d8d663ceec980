"""podman, by its command line: its containers, pods and images, and how it is set up.

Which other modules run it: docs/architecture.md#dependencies.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Required, TypedDict, TypeVar

from flotta.worker.pod_names import make_placeholder
from flotta.worker.pod_unit.plan import address_pod_of, init_pod_of
from flotta.worker.processes import NOT_FOUND, ProcessResult, run

WORKLOAD_LABEL = "project-flotta.io/workload"
DIGEST_LABEL = "project-flotta.io/digest"
COMMAND_TIMEOUT = 120.0  # seconds for a command without a download
HAS_PROCESSES = ("running", "stopping", "paused")  # states of containers
ItemT = TypeVar("ItemT")


class _PsEntry(TypedDict, total=False):
    """What is read of an entry of `podman ps --format json`."""

    Id: Required[str]
    Names: Required[list[str]]
    Labels: Required[dict[str, str]]
    State: Required[str]
    Pid: int | None
    ExitCode: int | None
    StartedAt: int | None


@dataclass(frozen=True)
class Container:
    """One container of a workload's pod; `state` and `exit_code` are podman's."""

    id: str
    name: str
    workload: str
    digest: str
    state: str
    exit_code: int
    started_at: int  # seconds since 1970, 0 for never
    pid: int = 0  # of its main process, 0 for none
    is_init: bool = False


@dataclass(frozen=True)
class Placement:
    """Where a container is reached and what ends it; without an address it has the host's.

    `runtime` is the program of the OCI runtime, `config` the path of the container's configuration
    for it, `stop_signal` the number that the image names.
    """

    address: str = ""
    runtime: str = "crun"
    config: str = ""
    stop_signal: int = signal.SIGTERM


async def list_containers() -> list[Container] | None:
    """Return the containers of pods that the worker made; None when podman's output is unusable."""
    argv = ["podman", "ps", "-a", "--format", "json", "--filter", f"label={WORKLOAD_LABEL}"]
    return _parse_list(await run(*argv, timeout=COMMAND_TIMEOUT), _parse_container)


async def list_pods() -> list[str] | None:
    """Return the names of the pods that the worker made; None when podman's output is unusable.

    A pod whose start was interrupted may have none of the containers of `list_containers`.
    """
    argv = ["podman", "pod", "ps", "--format", "json", "--filter", f"label={WORKLOAD_LABEL}"]
    done = await run(*argv, timeout=COMMAND_TIMEOUT)
    if done.status == NOT_FOUND:
        return []  # where podman is not installed, there is nothing that it could remove
    return _parse_list(done, lambda entry: entry["Name"])


def _parse_list(done: ProcessResult, parse: Callable[[Any], ItemT]) -> list[ItemT] | None:
    if not done.ok:
        return None
    try:
        # podman defines the shape; any other one raises one of the errors below.
        return [parse(entry) for entry in json.loads(done.out or b"[]")]
    except (ValueError, KeyError, TypeError):
        return None


def _parse_container(entry: _PsEntry) -> Container:
    labels = entry["Labels"]
    workload, name = labels[WORKLOAD_LABEL], entry["Names"][0]
    is_init = name.startswith(f"{init_pod_of(workload)}-")
    return Container(
        id=entry["Id"],
        name=name.removeprefix(f"{init_pod_of(workload) if is_init else workload}-"),
        workload=workload,
        digest=labels.get(DIGEST_LABEL, ""),
        state=entry["State"],
        exit_code=int(entry.get("ExitCode") or 0),
        started_at=int(entry.get("StartedAt") or 0),
        pid=int(entry.get("Pid") or 0),
        is_init=is_init,
    )


async def place_containers(ids: Iterable[str]) -> dict[str, Placement]:
    """Return by id where containers are; one that does not exist any more is left out."""
    # podman prints those that it finds and fails for the others.
    done = await run("podman", "container", "inspect", "--", *ids, timeout=COMMAND_TIMEOUT)
    found = _parse_list(replace(done, status=0), lambda entry: (entry["Id"], _place(entry)))
    return dict(found or ())


def _place(entry: Any) -> Placement:
    return Placement(
        address=_find_address(entry.get("NetworkSettings") or {}),
        runtime=entry.get("OCIRuntime") or Placement.runtime,
        config=entry.get("OCIConfigPath") or "",
        stop_signal=_read_signal((entry.get("Config") or {}).get("StopSignal")),
    )


def _find_address(settings: dict[str, Any]) -> str:
    """Return the first address of a container on its networks, IPv4 before IPv6."""
    networks = [settings, *(settings.get("Networks") or {}).values()]
    for name in ("IPAddress", "GlobalIPv6Address"):
        for network in networks:
            if network.get(name):
                return str(network[name])
    return ""


def _read_signal(value: object) -> int:
    """Return the number of a signal, which newer versions of podman give by name."""
    if isinstance(value, str) and value.upper() in signal.Signals.__members__:
        return int(signal.Signals[value.upper()])
    return value if isinstance(value, int) and 0 < value < signal.NSIG else int(signal.SIGTERM)


async def find_bundle(container_id: str) -> Path | None:
    """Return the directory with the OCI configuration of a container, None if it is not there."""
    return (await find_bundles([container_id])).get(container_id)


async def find_bundles(ids: Iterable[str]) -> dict[str, Path]:
    """Return by id the directories with the OCI configurations of those containers that exist.

    A container without that configuration cannot be inspected, so its path is put together.
    """
    place = "{{.Store.GraphRoot}}/{{.Store.GraphDriverName}}-containers"
    done = await run("podman", "info", "--format", place, timeout=COMMAND_TIMEOUT)
    containers = Path(done.out.decode(errors="replace").strip())
    bundles = {id_: containers / id_ / "userdata" for id_ in ids}
    return {id_: bundle for id_, bundle in bundles.items() if done.ok and bundle.is_dir()}


async def start_container(container_id: str) -> bool:
    """Start a container that has ended; return whether that worked.

    systemd runs podman: as a child of the worker, the container would have the worker's
    restrictions, also whenever podman starts it again. Without INVOCATION_ID, podman gives its
    monitor a control group of its own, so that it does not end with this unit.
    """
    unit = ("systemd-run", "--wait", "--quiet", "--collect")
    description = f"--description=Start of container {container_id}"
    program = ("env", "-u", "INVOCATION_ID")
    argv = (*unit, description, "--", *program, "podman", "start", "--", container_id)
    return (await run(*argv, timeout=COMMAND_TIMEOUT)).ok


async def find_missing_images(images: Iterable[str]) -> list[str]:
    """Return those of the images that are not in local storage."""
    names = list(dict.fromkeys(images))
    # After `--` everything is an operand: no name of another party can become an option.
    inspect = ("podman", "image", "inspect", "--format", "{{.Id}}", "--")
    if not names or (await run(*inspect, *names, timeout=COMMAND_TIMEOUT)).ok:
        return []
    return [name for name in names if not (await run(*inspect, name, timeout=COMMAND_TIMEOUT)).ok]


async def read_image_user(image: str) -> str:
    """Return `USER` of an image in local storage, empty for root."""
    argv = ("podman", "image", "inspect", "--format", "{{.User}}", "--", image)
    return (await run(*argv, timeout=COMMAND_TIMEOUT)).out.decode(errors="replace").strip()


async def kill_containers(workload: str) -> bool:
    """Kill the containers of a workload, also those that podman is stopping; return whether it did.

    The pod is not named: podman keeps it locked while it waits for its containers.
    """
    found = await list_containers() or ()
    ids = [one.id for one in found if one.workload == workload and one.state in HAS_PROCESSES]
    return not ids or (await run("podman", "kill", "--", *ids, timeout=COMMAND_TIMEOUT)).ok


async def remove_pod(name: str) -> bool:
    """Remove a pod and its containers by force; return whether there is none any more.

    The pods that its unit makes before it go too. Nothing gets time to end: the unit gave it.
    """
    if placeholder := make_placeholder(name):
        await run(*placeholder, timeout=COMMAND_TIMEOUT)
    names = (name, init_pod_of(name), address_pod_of(name))
    done = await run(
        "podman", "pod", "rm", "-f", "-i", "-t", "0", "--", *names, timeout=COMMAND_TIMEOUT
    )
    return done.ok or done.status == NOT_FOUND  # where podman is not installed, no pod runs
