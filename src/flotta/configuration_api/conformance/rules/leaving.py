"""The recorded wish that a device goes."""

from __future__ import annotations

from flotta.configuration_api.conformance.exchange import ABSENT
from flotta.configuration_api.conformance.outcomes import Failed, Skipped
from flotta.configuration_api.conformance.rule import rule
from flotta.configuration_api.conformance.trial import Trial
from flotta.protocol.configuration_api import KNOWN, Status


@rule("wish-on-record", "A device that is to go has the status `unregistered`, its `uid` stays.")
async def wish_on_record(trial: Trial) -> None:
    """Record the wish."""
    device = await trial.joined()
    before = (await device.status()).uid
    await trial.hook.unregister(device.namespace, device.device_id)
    await device.require_status(Status.UNREGISTERED, "it was told to go")
    await device.require_uid(before, "it was told to go")


@rule("wish-for-one", "The wish that one device goes leaves the others as they are.")
async def wish_for_one(trial: Trial) -> None:
    """Look at another device."""
    other = await trial.joined()
    await trial.leaving()
    await other.require_status(Status.REGISTERED, "another device was told to go")


@rule(
    "wish-outlives-enrolment",
    "A device that is to go stays `unregistered` when it reports and when it enrols again.",
)
async def wish_outlives_enrolment(trial: Trial) -> None:
    """Report, and ask to join again."""
    device = await trial.leaving()
    await device.beat({"status": "up"})
    await device.require_status(Status.UNREGISTERED, "a heartbeat of a device that is to go")
    if not (exchange := await device.enrol()).succeeded:
        raise Failed(f"{exchange}; expected 201: a device that went may ask to join again")
    await device.require_status(Status.UNREGISTERED, "an enrolment alone")


@rule(
    "wish-needs-approval",
    "A device that is to go is not `approved` any more: when it enrols again, it gets 201.",
)
async def wish_needs_approval(trial: Trial) -> None:
    """Ask to join again."""
    device = await trial.leaving()
    told = (await device.status()).approved
    if told is None:
        raise Skipped("the store does not say `approved` (an addition)")
    exchange = await device.enrol()
    if told or exchange.status == KNOWN or (await device.status()).approved:
        raise Failed(
            f"{exchange}, and approved was {str(told).lower()} before; expected 201 and false: "
            "otherwise the device that was to go returns at once, and nobody was asked"
        )


@rule(
    "wish-return",
    "A device that went and is approved again registers, with another `uid` where a store says it.",
)
async def wish_return(trial: Trial) -> None:
    """Let a device return."""
    device = await trial.leaving()
    before = (await device.status()).uid
    await device.disconnect()
    await trial.approve(device)
    (await device.register()).require_done("the device is approved again")
    found = await device.require_status(Status.REGISTERED, "it registered again")
    if not before:
        raise Skipped("the store does not say `uid` (an addition)")
    if found.uid == before:
        raise Failed(
            f"the uid is {before} as before it went; expected another: what was meant for the "
            "former device counts for this one, too"
        )


@rule(
    "disconnect", "PUT disconnect, where a store has it, gets 200, and again when it is repeated."
)
async def disconnect(trial: Trial) -> None:
    """Report twice that a device went."""
    device = await trial.leaving()
    exchange = await device.disconnect()
    if exchange.status in ABSENT:
        raise Skipped("the store has no PUT disconnect (an addition)")
    for found in (exchange, await device.disconnect()):
        if not found.succeeded:
            raise Failed(f"{found}; expected 200: the device did what it was told")
    if (status := (await device.status()).status) == Status.REGISTERED.value:
        raise Failed(f"after it went it is `{status}`; expected `unregistered` or `unknown`")
