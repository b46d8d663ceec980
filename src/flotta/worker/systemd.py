"""systemd, by systemctl; `journal` reads what its units have written."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from flotta.worker.processes import run

COMMAND_TIMEOUT = 30.0  # seconds for a command that does not wait for a unit
# Seconds: the units themselves say how long a start or stop may take.
UNLIMITED = math.inf
PROPERTIES = "Id,ActiveState,SubState,Result,NRestarts,InvocationID,NeedDaemonReload"


@dataclass(frozen=True)
class UnitState:
    """State of one unit in systemd's words; `active` is inactive for one that is not loaded.

    `outdated` is whether systemd has not read what its files say now.
    """

    active: str = "inactive"
    sub: str = "dead"
    result: str = "success"
    restarts: int = 0
    invocation: str = ""
    outdated: bool = False

    @property
    def waits_for_restart(self) -> bool:
        """Whether systemd will start the unit again by itself."""
        return self.sub == "auto-restart"

    @property
    def changing(self) -> bool:
        """Whether the unit is starting or stopping."""
        return self.active in ("activating", "deactivating") and not self.waits_for_restart


NO_UNIT = UnitState()


async def read_unit_states(units: Iterable[str]) -> dict[str, UnitState]:
    """Return the state of each unit with one process, none for no units."""
    names = sorted(units)
    if not names:
        return {}
    done = await run("systemctl", "show", "-p", PROPERTIES, "--", *names, timeout=COMMAND_TIMEOUT)
    return parse_unit_states(done.out.decode(errors="replace"))


def parse_unit_states(text: str) -> dict[str, UnitState]:
    """Read the blocks that `systemctl show` prints, one a unit."""
    blocks = [_parse_properties(block) for block in text.split("\n\n")]
    return {
        block["Id"]: UnitState(
            active=block.get("ActiveState", "inactive"),
            sub=block.get("SubState", "dead"),
            result=block.get("Result", "success"),
            restarts=int(block.get("NRestarts") or 0),
            invocation=block.get("InvocationID", ""),
            outdated=block.get("NeedDaemonReload") == "yes",
        )
        for block in blocks
        if "Id" in block
    }


def _parse_properties(block: str) -> dict[str, str]:
    """Return the properties of one unit, from lines of `Name=value`."""
    lines = (line.partition("=") for line in block.splitlines())
    return {name: value for name, _, value in lines}


async def reload() -> bool:
    """Make systemd read changed unit files; return whether it did."""
    return (await run("systemctl", "daemon-reload", timeout=COMMAND_TIMEOUT)).ok


async def restart(unit: str) -> bool:
    """Start a unit, stopping it first if it runs; return whether it started in the end."""
    return (await run("systemctl", "restart", "--", unit, timeout=UNLIMITED)).ok


async def stop(unit: str) -> bool:
    """Stop a unit, even one that waits for its restart, and forget its failure.

    Returns whether it stopped.
    """
    done = await run("systemctl", "stop", "--", unit, timeout=UNLIMITED)
    await run("systemctl", "reset-failed", "--", unit, timeout=COMMAND_TIMEOUT)
    return done.ok


async def start_later(unit: str) -> bool:
    """Ask systemd to start a unit, without waiting; return whether it will."""
    argv = ("systemctl", "start", "--no-block", "--", unit)
    return (await run(*argv, timeout=COMMAND_TIMEOUT)).ok


async def stop_later(unit: str) -> bool:
    """Ask systemd to stop a unit, without waiting; return whether it will."""
    argv = ("systemctl", "stop", "--no-block", "--", unit)
    return (await run(*argv, timeout=COMMAND_TIMEOUT)).ok


async def kill_control(unit: str) -> bool:
    """Kill what a unit runs in order to start or stop, such as a hook; return whether it did.

    Its main process runs on.
    """
    # The option has another name since systemd 252, which still takes this one.
    argv = ("systemctl", "kill", "--kill-who=control", "--signal=SIGKILL", "--", unit)
    return (await run(*argv, timeout=COMMAND_TIMEOUT)).ok
