"""podman, by its command line. Only `image_pull` beside this module runs it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Required, TypedDict, TypeVar

from flotta.worker.processes import NOT_FOUND, ProcessResult, run

WORKLOAD_LABEL = "project-flotta.io/workload"
DIGEST_LABEL = "project-flotta.io/digest"
COMMAND_TIMEOUT = 120.0  # seconds for a command without a download
MAX_CAUSE = 1000  # characters of podman's message
ItemT = TypeVar("ItemT")


class _PsEntry(TypedDict, total=False):
    """What is read of an entry of `podman ps --format json`."""

    Id: Required[str]
    Names: Required[list[str]]
    Labels: Required[dict[str, str]]
    State: Required[str]
    ExitCode: int | None
    StartedAt: int | None


@dataclass(frozen=True)
class Container:
    """One regular or init container of a workload's pod; `state` and `exit_code` are podman's."""

    id: str
    name: str
    workload: str
    digest: str
    state: str
    exit_code: int
    started_at: int  # seconds since 1970, 0 for never


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
    return Container(
        id=entry["Id"],
        name=entry["Names"][0].removeprefix(f"{labels[WORKLOAD_LABEL]}-"),
        workload=labels[WORKLOAD_LABEL],
        digest=labels.get(DIGEST_LABEL, ""),
        state=entry["State"],
        exit_code=int(entry.get("ExitCode") or 0),
        started_at=int(entry.get("StartedAt") or 0),
    )


async def find_missing_images(images: Iterable[str]) -> list[str]:
    """Return those of the images that are not in local storage."""
    names = list(dict.fromkeys(images))
    # After `--` everything is an operand: no name of another party can become an option.
    inspect = ("podman", "image", "inspect", "--format", "{{.Id}}", "--")
    if not names or (await run(*inspect, *names, timeout=COMMAND_TIMEOUT)).ok:
        return []
    return [name for name in names if not (await run(*inspect, name, timeout=COMMAND_TIMEOUT)).ok]


async def remove_pod(name: str) -> bool:
    """Remove a pod and its containers by force; return whether there is none any more."""
    done = await run("podman", "pod", "rm", "-f", "-i", "--", name, timeout=COMMAND_TIMEOUT)
    return done.ok or done.status == NOT_FOUND  # where podman is not installed, no pod runs


NOISE = re.compile(r"^(time=|\d{4}-\d\d-\d\d |podman-kube@|Pods? |Container:|[0-9a-f]{64}$)")
TELLING = re.compile(r"^(Error: |\[?starting container )")
CONTAINER_ID = re.compile(r"(starting )?container [0-9a-f]{64}: ")


def extract_cause(lines: Iterable[str]) -> str:
    """Return the telling part of podman's output: the cause of the last failed start or command."""
    telling: list[str] = []
    last = ""
    for line in (line.strip() for line in lines):
        if line and not NOISE.match(line):
            last = line
        if TELLING.match(line):
            telling.append(line)
    cause = _find_cause(telling) or last
    return (
        CONTAINER_ID.sub("", cause).removeprefix("Error: ")[:MAX_CAUSE] or "podman gave no reason"
    )


def _find_cause(telling: list[str]) -> str:
    if not telling:
        return ""
    if re.match(r"Error: failed to start \d+ container", telling[-1]):
        starts = [line for line in telling if line.startswith("starting container")]
        causes = [line for line in starts if "a dependency of container" not in line]
        return (causes or starts or telling)[-1]
    return telling[-1]
