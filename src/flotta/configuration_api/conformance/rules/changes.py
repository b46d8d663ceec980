"""The feed of changes, an addition."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from flotta.configuration_api.conformance.candidate import Candidate
from flotta.configuration_api.conformance.exchange import ABSENT, Exchange
from flotta.configuration_api.conformance.outcomes import Failed, Skipped
from flotta.configuration_api.conformance.rule import rule
from flotta.configuration_api.conformance.trial import Trial
from flotta.protocol.configuration_api import CHANGES, Changes

FORM = '`{"version": N, "devices": ["namespace/id"], "complete": true}`'
BEYOND = 1_000_000_000  # changes that no store has made since
LONG = 30  # seconds for which a request may be held that something else is to end
IDLE = 10  # seconds for which a request may be held that is not to be held
EXACT = 2**53  # whole numbers below it are exact in every language


@rule("changes-form", "GET changes gets 200 with `version`, `devices` and `complete`.")
async def changes_form(trial: Trial) -> None:
    """Ask as an Edge API does first."""
    found = await _changes(trial, 0)
    if not 0 <= found.version < EXACT:
        raise Failed(f"the version is {found.version}; expected a whole number below 2^53")


@rule("changes-of-configurations", "A configuration that changes ends the wait, and is named.")
async def changes_of_configurations(trial: Trial) -> None:
    """Configure a device while a request is held."""
    device = await trial.shared()
    workload = f"changed-{len(trial.client.exchanges)}"
    await _named_at_once(trial, device, lambda: trial.configure(device, workload))


@rule("changes-of-registrations", "A device that registers is named.")
async def changes_of_registrations(trial: Trial) -> None:
    """Let an approved device register and ask what changed."""
    device = trial.new_device()
    await trial.approve(device)
    begin = await _newest(trial)
    if not (exchange := await device.register()).succeeded:
        raise Skipped(f"the device cannot register: {exchange}")
    device.take_certificate(await device.status())
    await _named(trial, device, begin, trial.limits.hold)


@rule("changes-of-wishes", "The wish that a device goes ends the wait, and the device is named.")
async def changes_of_wishes(trial: Trial) -> None:
    """Record the wish while a request is held."""
    await _newest(trial)
    device = await trial.joined()
    await _named_at_once(trial, device, lambda: trial.unregister(device))


@rule("changes-hold", "While nothing changes, a request is held for as long as `Prefer` says.")
async def changes_hold(trial: Trial) -> None:
    """Ask for what changes after the newest version."""
    begin = await _newest(trial)
    exchange = await _ask(trial, begin, trial.limits.hold)
    found = exchange.read(Changes, FORM)
    if found.devices:
        raise Skipped(f"something changed meanwhile: {', '.join(found.devices[:5])}")
    if not found.complete or found.version != begin:
        raise Failed(f"{exchange}, although nothing changed; expected version {begin}, complete")
    if exchange.seconds < trial.limits.hold / 2:
        raise Failed(
            f"{exchange} after {exchange.seconds:.1f} s; expected to be held for "
            f"{trial.limits.hold} s: the Edge API would ask without a pause"
        )


@rule(
    "changes-unknown-version",
    "A version that the store did not give gets `complete: false` at once.",
)
async def changes_unknown_version(trial: Trial) -> None:
    """Ask for a version of the future, as after a loss of data."""
    beyond = await _newest(trial) + BEYOND
    exchange = await _ask(trial, beyond, IDLE)
    if exchange.read(Changes, FORM).complete:
        raise Failed(
            f"{exchange}; expected complete: false: an Edge API that knows a newer version than "
            "the store would miss what changes until the store comes to that version"
        )
    if exchange.seconds >= IDLE:
        raise Failed(
            f"{exchange} after {exchange.seconds:.1f} s; expected at once: until then the Edge API "
            "goes by what it knew before the store lost its changes"
        )


async def _named_at_once(
    trial: Trial, device: Candidate, change: Callable[[], Awaitable[None]]
) -> None:
    """Make a change while a request is held; raises Failed unless that ends it."""
    begin = await _newest(trial)
    held = asyncio.create_task(_named(trial, device, begin, LONG))
    try:
        await change()
        changed = time.monotonic()
        await held
    finally:
        held.cancel()
    if (seconds := time.monotonic() - changed) > trial.limits.response:
        raise Failed(
            f"the held request named {device} {seconds:.1f} s after it changed; expected at once: "
            "the device waits for that"
        )


async def _named(trial: Trial, device: Candidate, after: int, hold: int) -> None:
    """Raise Failed unless a device is among what changed, in one response or several."""
    version = after
    while True:
        exchange = await _ask(trial, version, hold)
        found = exchange.read(Changes, FORM)
        if str(device) in found.devices or not found.complete:
            return
        if not found.devices or found.version <= version:
            raise Failed(f"{exchange}, although {device} changed after {after}; expected its name")
        version = found.version


async def _newest(trial: Trial) -> int:
    """Return the newest version; a store may give all of its changes bit by bit."""
    found = await _changes(trial, 0)
    while found.complete and found.devices:
        later = await _changes(trial, found.version)
        if later.version <= found.version:
            break
        found = later
    return found.version


async def _changes(trial: Trial, after: int) -> Changes:
    return (await _ask(trial, after)).read(Changes, FORM)


async def _ask(trial: Trial, after: int, hold: int = 0) -> Exchange:
    exchange = await trial.client.send("GET", f"{CHANGES}?after={after}", hold=hold)
    if exchange.status in ABSENT:
        raise Skipped("the store has no feed of changes (an addition)")
    exchange.require(200, because="the store has a feed of changes")
    return exchange
