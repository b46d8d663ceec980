"""Registration: the record of which device has which key."""

from __future__ import annotations

import secrets

from flotta.configuration_api.conformance.candidate import DEVICE
from flotta.configuration_api.conformance.exchange import Exchange
from flotta.configuration_api.conformance.outcomes import Failed, Skipped
from flotta.configuration_api.conformance.rule import rule
from flotta.configuration_api.conformance.trial import Trial
from flotta.dns1123 import is_label
from flotta.protocol.configuration_api import KNOWN, RegistrationStatus, Status


@rule(
    "registration-unapproved",
    "PUT registration of a device that is not approved gets 409 or 404, and registers nothing.",
)
async def registration_unapproved(trial: Trial) -> None:
    """Register a device that never enrolled, and one that waits."""
    stranger, pending = trial.new_device(), trial.new_device()
    if (await pending.enrol()).status == KNOWN:
        raise Skipped("the store approves devices by itself")
    if (await pending.status()).approved is None:
        raise Skipped("the store does not say `approved` (an addition)")
    for device, who in ((stranger, "never enrolled"), (pending, "is not approved")):
        exchange = await device.register()
        exchange.require(409, 404, because=f"the device {who}")
        await device.require_status(Status.UNKNOWN, "a registration that was refused")


@rule("registration-recorded", "After PUT registration got 200 the status is `registered`.")
async def registration_recorded(trial: Trial) -> None:
    """Register an approved device, with a property of a later release."""
    device = trial.new_device()
    await trial.approve(device)
    exchange = await device.register(content={"hardware": None, "later": True})
    exchange.require_done("the device is approved")
    await device.require_status(Status.REGISTERED, str(exchange))


@rule(
    "registration-namespace",
    "`namespace` of a registered device is a DNS label, and the device is registered there.",
)
async def registration_namespace(trial: Trial) -> None:
    """Look for a registered device where the store says it is."""
    device = trial.new_device()
    await trial.approve(device)
    await device.register()
    namespace = (await device.status()).namespace
    if not is_label(namespace):
        raise Failed(f"the namespace is {namespace!r}; expected a DNS label for the certificate")
    if (found := (await device.status(namespace)).status) != Status.REGISTERED.value:
        raise Failed(
            f"the namespace is {namespace}, but there the device is `{found}`; expected "
            "`registered`: all later requests have this namespace in their path"
        )


@rule("registration-repeated", "The same registration again gets 200, and the `uid` stays.")
async def registration_repeated(trial: Trial) -> None:
    """Register twice, as when the first response was lost."""
    device = await trial.joined()
    before = (await device.status()).uid
    (await device.register()).require_done("the response to the first may have been lost")
    await device.require_uid(before, "the same registration again")


@rule(
    "enrolment-of-registered",
    "The enrolment of a registered device with its key gets 200, and changes nothing.",
)
async def enrolment_of_registered(trial: Trial) -> None:
    """Ask to join again, as a device does that lost its certificate but not its key."""
    device = await trial.shared()
    before = (await device.status()).uid
    exchange = await device.enrol()
    exchange.require(KNOWN, because="the same key may register again")
    await device.require_status(Status.REGISTERED, "another enrolment")
    await device.require_uid(before, "another enrolment")


@rule("registration-key", "`public_key_fingerprint`, where a store says it, is that which came.")
async def registration_key(trial: Trial) -> None:
    """Compare the fingerprints."""
    device = await trial.shared()
    found = await device.status()
    if not found.public_key_fingerprint:
        raise Skipped("the store does not say `public_key_fingerprint` (an addition)")
    _require_key(found, device.key, "the registration")


@rule(
    "registration-other-key",
    "Another key under a registration certificate gets 409 and changes nothing, or gets another "
    "`uid`.",
)
async def registration_other_key(trial: Trial) -> None:
    """Register under the name of a registered device."""
    device = await trial.joined()
    before = (await device.status()).uid
    exchange = await device.register(secrets.token_hex(32))
    if exchange.succeeded:
        _require_other_uid(exchange, before, (await device.status()).uid)
        return
    exchange.require(409, because="it is another key; 200 with another uid does, too")
    await device.require_status(Status.REGISTERED, "another key was refused")
    found = await device.require_uid(before, "another key was refused")
    _require_key(found, device.key, "another key was refused")


@rule(
    "registration-renewal",
    "With `Flotta-Peer: device` another key gets 200 and is the one on record, the `uid` stays.",
)
async def registration_renewal(trial: Trial) -> None:
    """Register with another key by the certificate of the device."""
    device = await trial.joined()
    before, key = (await device.status()).uid, secrets.token_hex(32)
    exchange = await device.register(key, DEVICE)
    exchange.require_done("the device renews its certificate, and may have a new key")
    _require_key(await device.require_uid(before, "a renewal"), key, "a renewal")


def _require_key(found: RegistrationStatus, key: str, after: str) -> None:
    """Raise Failed if the store says another key."""
    if found.public_key_fingerprint not in ("", key):
        raise Failed(
            f"public_key_fingerprint is {found.public_key_fingerprint} after {after}; expected "
            f"{key}, which came in the header Flotta-Public-Key-Fingerprint"
        )


def _require_other_uid(exchange: Exchange, before: str, after: str) -> None:
    if not before and not after:
        raise Skipped("the store has no `uid` (an addition); the Edge API compares what it knows")
    if before == after:
        raise Failed(
            f"{exchange} for another key, and the uid stays {after}; expected 409 or another uid: "
            "whoever has a registration certificate could take over the device"
        )
