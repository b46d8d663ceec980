"""What units and containers have written to the journal, by journalctl."""

from __future__ import annotations

import contextlib
import json
from typing import Any, NamedTuple

from flotta.worker.processes import run

COMMAND_TIMEOUT = 30.0  # seconds
FIELDS = (
    "MESSAGE,_PID,CONTAINER_NAME,PODMAN_EVENT,PODMAN_ID,PODMAN_NAME,"
    "_SYSTEMD_INVOCATION_ID,INVOCATION_ID"
)
SENT = "_SOURCE_REALTIME_TIMESTAMP"  # microseconds since 1970
SYSTEMD = "1"  # its process id
LINES = 200  # of a unit that are looked at, podman's own events included
CONTAINER_LINES = 100  # of a container that are looked at: it may run again, and write
QUERY = ("journalctl", "--no-pager", "-q", "--all")


class JournalLine(NamedTuple):
    """A line of a unit's run; `subject` is id → name of what an event of podman is about."""

    text: str
    invocation: str = ""  # which run of the unit, empty if it is not known
    is_said: bool = True  # by a program of the unit, not by systemd, a container or as an event
    subject: tuple[str, str] | None = None


async def read_last_run(unit: str) -> list[JournalLine]:
    """Return what the last run of a unit has written, oldest first."""
    argv = (*QUERY, "-o", "json", f"--output-fields={FIELDS}", f"--lines={LINES}", f"--unit={unit}")
    lines = parse_lines((await run(*argv, timeout=COMMAND_TIMEOUT)).out)
    last = next((line.invocation for line in reversed(lines) if line.invocation), "")
    first = next((place for place, line in enumerate(lines) if line.invocation == last), 0)
    return [line for line in lines[first:] if line.invocation in ("", last)]


async def read_container_lines(
    container_id: str, count: int, since: float, until: float
) -> list[str]:
    """Return the last lines that a container wrote between two times, in seconds since 1970."""
    # What was sent to journald before is in the journal then (journalctl(1)).
    await run("journalctl", "--sync", timeout=COMMAND_TIMEOUT)
    match = f"CONTAINER_ID_FULL={container_id}"
    fields = f"--output-fields=MESSAGE,{SENT}"
    query = (*QUERY, "-o", "json", fields, f"--lines={CONTAINER_LINES}", match)
    done = await run(*query, timeout=COMMAND_TIMEOUT)
    if done.out.strip():
        return parse_container_lines(done.out, since, until)[-count:]
    # podman may keep logs in files of its own. Its own warnings would be in the stream that the
    # container has for errors.
    argv = ("podman", "--log-level=error", "logs", "--tail", str(count), "--", container_id)
    done = await run(*argv, timeout=COMMAND_TIMEOUT)
    if not done.ok:
        return []
    return f"{done.out.decode(errors='replace')}\n{done.err}".splitlines()


def parse_container_lines(output: bytes, since: float, until: float) -> list[str]:
    """Read journalctl's JSON; leave out what was written before and later."""
    found: list[str] = []
    for line in output.splitlines():
        with contextlib.suppress(ValueError, LookupError, TypeError):
            entry = json.loads(line)
            if since * 1e6 < int(entry[SENT]) <= until * 1e6:
                found += _text_of(entry.get("MESSAGE")).splitlines()
    return found


def parse_lines(output: bytes) -> list[JournalLine]:
    """Read journalctl's JSON, one object a line; what is not one is left out."""
    found: list[JournalLine] = []
    for line in output.splitlines():
        try:
            found += _parse_entry(json.loads(line))
        except (ValueError, AttributeError, TypeError):
            continue
    return found


def _parse_entry(entry: dict[str, Any]) -> list[JournalLine]:
    invocation = entry.get("_SYSTEMD_INVOCATION_ID") or entry.get("INVOCATION_ID") or ""
    if entry.get("_PID") == SYSTEMD:
        invocation = entry.get("INVOCATION_ID") or ""
    said = not (
        entry.get("_PID") == SYSTEMD or entry.get("CONTAINER_NAME") or entry.get("PODMAN_EVENT")
    )
    identity, name = entry.get("PODMAN_ID"), entry.get("PODMAN_NAME")
    subject = (str(identity), str(name)) if identity and name else None
    texts = _text_of(entry.get("MESSAGE")).splitlines()
    return [JournalLine(text, str(invocation), said, subject) for text in texts or [""]]


def _text_of(message: object) -> str:
    """Return a message, which is a list of bytes where it is not text (journalctl(1))."""
    if isinstance(message, list):
        return bytes(message).decode(errors="replace")
    return message if isinstance(message, str) else ""
