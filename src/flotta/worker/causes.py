"""Why something failed, in one sentence that is the same for the same cause.

podman's messages have ids, ports and addresses that differ each time, and say last what its
clean-up could not find. People get the container by its name, and the cause
(docs/reference/device.md#phases-and-reasons).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from flotta.printable_text import cut, printable
from flotta.worker.journal import JournalLine
from flotta.worker.pod_unit.plan import init_pod_of

MAX_CAUSE = 500  # characters
NO_CAUSE = "podman gave no reason"

NOISE = re.compile(r"^(time=|\d{4}-\d\d-\d\d |podman-kube@|Pods? |Pod:|Container:|[0-9a-f]{64}$)")
TELLING = re.compile(r"^(Error: |\[?starting container )")
LOGGED = re.compile(r'^time="[^"]*" level=(?:error|fatal) msg="((?:[^"\\]|\\.)*)"')
# What removing the rest of a failed pod says: it had not been made, or is gone.
CLEAN_UP = re.compile(r"no pod with name or ID|no such pod|no container with name or ID")
SEVERAL = re.compile(r"Error: failed to start \d+ containers?")

CONTAINER = re.compile(r"\[?(?:starting |init )?container \"?([0-9a-f]{12,64})\"?(:?)")
EPHEMERAL = re.compile(r"(\[[0-9a-f:.]+\]|\b\d+(?:\.\d+){3}):\d+(?=->)")
TEMPORARY = re.compile(r"(/var/tmp|/tmp)/[^\s:\"']+")
HEX = re.compile(r"(?<!sha256:)\b(?=[0-9a-f]*[0-9])[0-9a-f]{12,64}\b")
PROCESS = re.compile(r"\b(pid|PID|process)[ =]\d+")


def explain_run(lines: Sequence[JournalLine], workload: str) -> str:
    """Return why a run of the unit of a workload failed, empty if nothing in it says so."""
    names = {id_: _short_name(name, workload) for id_, name in _list_subjects(lines)}
    return clean_cause(_find_cause([line.text for line in lines if line.is_said]), names)


def extract_cause(lines: Iterable[str]) -> str:
    """Return why a command of podman failed, from its output."""
    said = [line.strip() for line in lines]
    spoken = [line for line in said if line and not NOISE.match(line)]
    return clean_cause(_find_cause(said) or (spoken or [""])[-1], {}) or NO_CAUSE


def clean_cause(text: str, names: Mapping[str, str]) -> str:
    """Return a cause without what differs each time; `names` are those of containers by id."""

    def name_container(match: re.Match[str]) -> str:
        name = next((name for id_, name in names.items() if id_.startswith(match[1])), "")
        if not name:
            return "" if match[2] else "a container"
        return f'container "{name}"{match[2]}'

    text = CONTAINER.sub(name_container, text.removeprefix("Error: "))
    for pattern, replacement in (
        (EPHEMERAL, r"\1"),
        (TEMPORARY, r"\1/…"),
        (HEX, "…"),
        (PROCESS, r"\1 …"),
    ):
        text = pattern.sub(replacement, text)
    return cut(printable(" ".join(text.split()).strip(" ]"), MAX_CAUSE), MAX_CAUSE)


def _list_subjects(lines: Iterable[JournalLine]) -> Iterator[tuple[str, str]]:
    return (line.subject for line in lines if line.subject)


def _short_name(name: str, workload: str) -> str:
    """Return the name that the user gave a container, empty for one of podman's own."""
    for pod in (init_pod_of(workload), workload):
        if name.startswith(f"{pod}-"):
            return name.removeprefix(f"{pod}-")
    return ""


def _find_cause(said: Iterable[str]) -> str:
    lines = [line.strip() for line in said]
    telling = [line for line in lines if TELLING.match(line) and not CLEAN_UP.search(line)]
    if not telling:
        logged = [match[1].replace('\\"', '"') for line in lines if (match := LOGGED.match(line))]
        return next((text for text in reversed(logged) if not CLEAN_UP.search(text)), "")
    if SEVERAL.match(telling[-1]):
        starts = [line for line in telling if line.lstrip("[").startswith("starting container")]
        causes = [line for line in starts if "a dependency of container" not in line]
        return (causes or starts or telling)[-1]
    return telling[-1]
