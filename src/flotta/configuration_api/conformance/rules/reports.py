"""Heartbeats, and what agents of v0.2 ask for."""

from __future__ import annotations

import asyncio

from flotta.configuration_api.conformance.outcomes import Failed
from flotta.configuration_api.conformance.rule import rule
from flotta.configuration_api.conformance.trial import Trial
from flotta.protocol.configuration_api import HEARTBEAT_WANTED_HEADER
from flotta.protocol.directives import HARDWARE

NEVER = "0001-01-01T00:00:00.000Z"
AT_ONCE = 20
LARGE = 200 * 1024  # bytes of a heartbeat; an Edge API takes up to 256 KiB from a device


@rule("heartbeat-stored", "The heartbeat of a registered device gets 200.")
async def heartbeat_stored(trial: Trial) -> None:
    """Report."""
    device = await trial.shared()
    content = {"status": "up", "version": "1", "workloads": [{"name": "w", "status": "Running"}]}
    (await device.beat(content)).require_done("the device is registered")


@rule("heartbeat-of-v0.2", "Heartbeats of agents of v0.2 get 200: null lists, dates of the year 1.")
async def heartbeat_of_an_old_agent(trial: Trial) -> None:
    """Report as an agent of v0.2 does."""
    content = {
        "status": "up",
        "version": "",
        "events": None,
        "playbook-executions": None,
        "workloads": [{"name": "w", "status": "Created", "last_data_upload": NEVER}],
        "hardware": {"disks": None, "interfaces": [{"name": "lo", "flags": None}], "mounts": None},
        "later": True,
    }
    (await (await trial.shared()).beat(content)).require_done("null means the same as absent")


@rule("heartbeat-large", "A heartbeat of 200 KiB gets 200.")
async def heartbeat_large(trial: Trial) -> None:
    """Report many workloads with long messages."""
    workload = {"name": "w", "status": "Failed", "message": "m" * 1000}
    content = {"status": "degraded", "workloads": [workload] * (LARGE // 1040)}
    exchange = await (await trial.shared()).beat(content)
    exchange.require_done("an Edge API takes messages of up to 256 KiB from devices")


@rule("heartbeat-repeated", "A heartbeat that comes twice gets 200 both times.")
async def heartbeat_repeated(trial: Trial) -> None:
    """Report twice with one id."""
    device = await trial.shared()
    for _ in range(2):
        exchange = await device.beat({"status": "up"}, "conformance-twice")
        exchange.require_done("the response to the first may have been lost")


@rule(
    "heartbeat-wanted",
    "`Flotta-Wanted`, where a store says it, is `hardware`, and not said again after a report.",
)
async def heartbeat_wanted(trial: Trial) -> None:
    """Report without hardware, with it, and without it."""
    device = await trial.joined()
    hardware = {"hostname": "h", "cpu": {"count": 1}, "memory": {"physical_bytes": 1}}
    contents = (
        {"status": "up"},
        {"status": "up", "hardware": hardware},
        {"status": "up"},
        {"status": "up", "hardware": {"hostname": "i"}},
        {"status": "up"},
    )
    header = HEARTBEAT_WANTED_HEADER.lower()
    asked = [(await device.beat(content)).headers.get(header, "") for content in contents]
    if not set(asked) <= {"", HARDWARE}:
        raise Failed(f"Flotta-Wanted was {asked}; expected `{HARDWARE}` or nothing")
    if any(asked[2:]):
        raise Failed(
            "Flotta-Wanted asks for hardware again, although a heartbeat before had all of it; "
            "expected no such header, also after one with a part: that is merged, and devices "
            "would send all of it each time"
        )


@rule("heartbeats-at-once", "Heartbeats that come at the same time get 200 each.")
async def heartbeats_at_once(trial: Trial) -> None:
    """Report many times at once."""
    device = await trial.shared()
    exchanges = await asyncio.gather(*(device.beat({"status": "up"}) for _ in range(AT_ONCE)))
    for exchange in exchanges:
        exchange.require_done(f"it was one of {AT_ONCE} at the same time")


@rule("playbooks", "GET playbookexecutions of a registered device gets 200 and a list.")
async def playbooks(trial: Trial) -> None:
    """Ask for playbooks."""
    exchange = await (await trial.shared()).ask_playbooks()
    exchange.require(200, because="agents of v0.2 ask for them")
    exchange.read(list[dict[str, object]], "a list, most often `[]`")
