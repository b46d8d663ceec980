"""Devices that the store does not know, and must not harm: it may have lost its data."""

from __future__ import annotations

from flotta.configuration_api.conformance.outcomes import Failed
from flotta.configuration_api.conformance.rule import rule
from flotta.configuration_api.conformance.trial import Trial
from flotta.protocol.configuration_api import Status


@rule(
    "unknown-is-unknown",
    "A device that is not on record has the status `unknown`, or gets 404; never `unregistered`.",
)
async def unknown_is_unknown(trial: Trial) -> None:
    """Ask about a device that never was."""
    found = await trial.new_device().status()
    if found.status != Status.UNKNOWN.value:
        raise Failed(
            f"a device that was never on record is `{found.status}`; expected `unknown`. "
            "`unregistered` makes devices remove everything, and after a loss of data it would be "
            "all of them"
        )
    if found.approved:
        raise Failed("a device that was never on record is approved; expected false")


@rule("unknown-has-no-configuration", "A device that is not on record gets 404, no configuration.")
async def unknown_has_no_configuration(trial: Trial) -> None:
    """Ask for the configuration of a device that never was."""
    exchange = await trial.new_device().ask_configuration()
    exchange.require(404, because="an empty configuration would remove the device's workloads")


@rule(
    "unknown-heartbeat",
    "The heartbeat of a device that is not on record gets 404, and does not put it on record.",
)
async def unknown_heartbeat(trial: Trial) -> None:
    """Report for a device that never was."""
    device = trial.new_device()
    exchange = await device.beat({"status": "up"})
    exchange.require(404, because="so the Edge API tells the device that it is not known")
    await device.require_status(Status.UNKNOWN, "a heartbeat alone")
