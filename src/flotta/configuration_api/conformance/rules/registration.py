"""Registration: the record of which device has which key."""

from __future__ import annotations

import secrets

from flotta.configuration_api.conformance.candidate import DEVICE, Candidate
from flotta.configuration_api.conformance.outcomes import Failed, Skipped
from flotta.configuration_api.conformance.rule import rule
from flotta.configuration_api.conformance.trial import Trial
from flotta.dns1123 import is_label
from flotta.protocol.configuration_api import Status

REGISTERED = Status.REGISTERED.value


@rule("registration-recorded", "After PUT registration got 200 the status is `registered`.")
async def registration_recorded(trial: Trial) -> None:
    """Register an approved device."""
    device = trial.new_device()
    await trial.approve(device)
    exchange = await device.register()
    exchange.require_success("the device is approved")
    if (found := (await device.status()).status) != REGISTERED:
        raise Failed(f"{exchange}, but then the status is `{found}`; expected `registered`")


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
    if (found := (await device.status(namespace)).status) != REGISTERED:
        raise Failed(
            f"the namespace is {namespace}, but there the device is `{found}`; expected "
            "`registered`: all later requests have this namespace in their path"
        )


@rule("registration-repeated", "The same registration again gets 200, and the `uid` stays.")
async def registration_repeated(trial: Trial) -> None:
    """Register twice, as when the first response was lost."""
    device = await trial.joined()
    before = (await device.status()).uid
    exchange = await device.register()
    exchange.require_success("the response to the first may have been lost")
    if (after := (await device.status()).uid) != before:
        raise Failed(
            f"the uid was {before!r} and is {after!r} after the same registration again; "
            "expected the same: the certificate that the device has would no longer count"
        )


@rule("registration-key", "`public_key_fingerprint`, where a store says it, is that which came.")
async def registration_key(trial: Trial) -> None:
    """Compare the fingerprints."""
    device = await trial.shared()
    found = (await device.status()).public_key_fingerprint
    if not found:
        raise Skipped("the store does not say `public_key_fingerprint` (an addition)")
    if found != device.key:
        raise Failed(
            f"public_key_fingerprint is {found}; expected {device.key}, which came in the header "
            "Flotta-Public-Key-Fingerprint"
        )


@rule(
    "registration-other-key",
    "Another key under a registration certificate is refused, or gets another `uid`.",
)
async def registration_other_key(trial: Trial) -> None:
    """Register under the name of a registered device."""
    device = await trial.joined()
    before = (await device.status()).uid
    exchange = await device.register(secrets.token_hex(32))
    if 400 <= exchange.status < 500:
        return
    if exchange.status >= 500:
        raise Failed(f"{exchange} for another key; expected 409, or 200 with another uid")
    after = (await device.status()).uid
    if not before and not after:
        raise Skipped("the store has no `uid` (an addition); the Edge API compares what it knows")
    if before == after:
        raise Failed(
            f"{exchange} for another key, and the uid stays {after}; expected 409 or another uid: "
            "whoever has a registration certificate could take over the device"
        )


@rule("registration-renewal", "With `Flotta-Peer: device` another key gets 200, the `uid` stays.")
async def registration_renewal(trial: Trial) -> None:
    """Register with another key by the certificate of the device."""
    device: Candidate = await trial.joined()
    before = (await device.status()).uid
    exchange = await device.register(secrets.token_hex(32), DEVICE)
    exchange.require_success("the device renews its certificate, and may have a new key")
    if (after := (await device.status()).uid) != before:
        raise Failed(f"the uid was {before!r} and is {after!r} after a renewal; expected the same")
