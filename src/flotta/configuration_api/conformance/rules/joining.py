"""Enrolment and approval: how a device asks to join."""

from __future__ import annotations

from flotta.configuration_api.conformance.candidate import Candidate
from flotta.configuration_api.conformance.exchange import Exchange
from flotta.configuration_api.conformance.outcomes import Failed, Skipped
from flotta.configuration_api.conformance.rule import rule
from flotta.configuration_api.conformance.trial import Trial
from flotta.protocol.configuration_api import KNOWN, RECORDED, Status

LONGEST_ID = 64  # characters of a device id
OTHER_NAMESPACES = "conformance-other", "conformance-another"
MALFORMED = 400, 422  # 422 is what some frameworks say


@rule(
    "enrolment-recorded",
    "The first enrolment of a device gets 201, or 200 if it may register at once.",
)
async def enrolment_recorded(trial: Trial) -> None:
    """Ask to join."""
    exchange = await trial.new_device().enrol()
    exchange.require(RECORDED, KNOWN, because="the device waits until it may register")


@rule("enrolment-repeated", "The same enrolment again gets the same status.")
async def enrolment_repeated(trial: Trial) -> None:
    """Ask to join three times, as a device does that waits."""
    device = trial.new_device()
    first = await _enrol(device)
    for exchange in [await device.enrol() for _ in range(2)]:
        exchange.require(first.status, because="a device repeats its enrolment while it waits")


@rule("enrolment-registers-nothing", "After an enrolment alone the status is still `unknown`.")
async def enrolment_registers_nothing(trial: Trial) -> None:
    """Ask to join, and what is on record."""
    device = trial.new_device()
    await _enrol(device)
    await device.require_status(Status.UNKNOWN, "an enrolment alone")


@rule("approved-agrees", "`approved`, where a store says it, agrees with 200 or 201 of enrolments.")
async def approved_agrees(trial: Trial) -> None:
    """Compare both."""
    device = trial.new_device()
    exchange = await _enrol(device)
    approved = (await device.status()).approved
    if approved is None:
        raise Skipped("the store does not say `approved` (an addition)")
    if approved != (exchange.status == KNOWN):
        raise Failed(
            f"{exchange}, but GET registration says approved: {str(approved).lower()}; expected "
            "200 with true, 201 with false"
        )


@rule("enrolment-additions", "Properties that a store does not know, and null, are ignored.")
async def enrolment_additions(trial: Trial) -> None:
    """Ask to join with a property of a later release."""
    content = {
        "features": {"hardware": {"disks": None, "gpus": None}, "modelName": "m"},
        "target_namespace": trial.namespace,
        "labels": None,
        "later": {"than": ["this"]},
    }
    exchange = await trial.new_device().enrol(content)
    exchange.require(RECORDED, KNOWN, because="later releases add properties")


@rule("malformed-body", "A body that is not JSON gets 400 or 422.")
async def malformed_body(trial: Trial) -> None:
    """Ask to join with half an object."""
    exchange = await trial.new_device().enrol(b'{"features": ')
    exchange.require(*MALFORMED, because="half a JSON object can never be recorded")


@rule("long-device-id", "A device id may have dots and 64 characters.")
async def long_device_id(trial: Trial) -> None:
    """Ask to join under the longest name."""
    name = f"{trial.prefix}.example.{'x' * LONGEST_ID}"[:LONGEST_ID]
    exchange = await trial.new_device(name).enrol()
    exchange.require(RECORDED, KNOWN, because="a device id is a DNS-1123 subdomain")


@rule("namespaces-apart", "A device of one namespace is unknown in another.")
async def namespaces_apart(trial: Trial) -> None:
    """Ask for a registered device elsewhere."""
    device = await trial.shared()
    other = next(name for name in OTHER_NAMESPACES if name != device.namespace)
    found = (await device.status(other)).status
    if found != Status.UNKNOWN.value:
        raise Failed(f"{device} is `{found}` in the namespace {other}, too; expected `unknown`")


@rule("approval-counts", "The enrolment of an approved device gets 200.")
async def approval_counts(trial: Trial) -> None:
    """Ask to join, be approved, and ask again."""
    device = trial.new_device()
    await trial.approve(device)
    exchange = await device.enrol()
    exchange.require(KNOWN, because="the device was approved and waits for this to register")
    if (await device.status()).approved is False:
        raise Failed("GET registration says approved: false of a device that was approved")


async def _enrol(device: Candidate) -> Exchange:
    """Ask to join; raises Skipped if the store does not take that."""
    exchange = await device.enrol()
    if not exchange.succeeded:
        raise Skipped(f"the device cannot enrol: {exchange}")
    return exchange
