"""The recorded wish that a device goes."""

from __future__ import annotations

from flotta.configuration_api.conformance.candidate import Candidate
from flotta.configuration_api.conformance.exchange import ABSENT
from flotta.configuration_api.conformance.outcomes import Failed, Skipped
from flotta.configuration_api.conformance.rule import rule
from flotta.configuration_api.conformance.trial import Trial
from flotta.protocol.configuration_api import Status

UNREGISTERED = Status.UNREGISTERED.value


@rule("wish-on-record", "A device that is to go has the status `unregistered`, its `uid` stays.")
async def wish_on_record(trial: Trial) -> None:
    """Record the wish."""
    device = await trial.joined()
    before = (await device.status()).uid
    await trial.hook.unregister(device.namespace, device.device_id)
    found = await device.status()
    if found.status != UNREGISTERED:
        raise Failed(f"{device} was told to go, but is `{found.status}`; expected `unregistered`")
    if found.uid != before:
        raise Failed(
            f"the uid was {before!r} and is {found.uid!r}; expected the same: the Edge API tells "
            "only the device with this uid to go"
        )


@rule("wish-for-one", "The wish that one device goes leaves the others as they are.")
async def wish_for_one(trial: Trial) -> None:
    """Look at another device."""
    other = await trial.joined()
    await _unregistered(trial)
    if (found := (await other.status()).status) != Status.REGISTERED.value:
        raise Failed(f"another device is `{found}` after that; expected `registered`")


@rule("wish-outlives-enrolment", "A device that is to go and enrols again is not `registered`.")
async def wish_outlives_enrolment(trial: Trial) -> None:
    """Ask to join again."""
    device = await _unregistered(trial)
    (await device.enrol()).require_success("a device that went may ask to join again")
    if (found := (await device.status()).status) == Status.REGISTERED.value:
        raise Failed(f"after an enrolment alone {device} is `{found}`; expected `unregistered`")


@rule("disconnect", "PUT disconnect, where a store has it, gets 200.")
async def disconnect(trial: Trial) -> None:
    """Report that a device went."""
    device = await _unregistered(trial)
    exchange = await device.disconnect()
    if exchange.status in ABSENT:
        raise Skipped("the store has no PUT disconnect (an addition)")
    exchange.require_success("the device did what it was told")
    if (found := (await device.status()).status) == Status.REGISTERED.value:
        raise Failed(f"after it went it is `{found}`; expected `unregistered` or `unknown`")


async def _unregistered(trial: Trial) -> Candidate:
    device = await trial.joined()
    try:
        await trial.hook.unregister(device.namespace, device.device_id)
    except Failed as error:
        raise Skipped(str(error)) from error
    return device
