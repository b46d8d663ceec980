"""Who is served, and what becomes of paths that a store does not have."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable

from flotta.configuration_api.conformance.candidate import Candidate
from flotta.configuration_api.conformance.exchange import ABSENT, Exchange
from flotta.configuration_api.conformance.outcomes import Failed, Skipped
from flotta.configuration_api.conformance.rule import rule
from flotta.configuration_api.conformance.store_client import StoreClient
from flotta.configuration_api.conformance.trial import Trial
from flotta.protocol.configuration_api import CHANGES

REFUSED = (401, 403)


@rule("client-certificate", "Without a client certificate nobody is served.")
async def client_certificate(trial: Trial) -> None:
    """Connect without a certificate."""
    if not trial.client.is_encrypted:
        raise Skipped("the URL is http; an Edge API on another machine needs https")
    await _require_refused(trial, trial.anonymous, "a client without a certificate")


@rule(
    "other-certificate",
    "A certificate of the same CA that is not the Edge API's, such as a device's, gets 401 or 403, "
    "or no connection.",
)
async def other_certificate(trial: Trial) -> None:
    """Connect with the certificate of a device."""
    if trial.stranger is None:
        raise Skipped("it needs --other-cert and --other-key, for example those of a device")
    await _require_refused(trial, trial.stranger, "the certificate of --other-cert")


@rule("unknown-path", "A path that the store does not have gets 404, 405 or 501.")
async def unknown_path(trial: Trial) -> None:
    """Ask for something that no store has."""
    exchange = await trial.client.send("GET", "conformance-unknown")
    exchange.require(*ABSENT, because="so an Edge API learns which additions a store has")


async def _require_refused(trial: Trial, tls: ssl.SSLContext | None, who: str) -> None:
    """Raise Failed unless connections or their requests are refused, whatever they ask for."""
    device = trial.new_device()
    async with StoreClient(trial.url, tls) as client:
        stranger = Candidate(client, device.namespace, device.device_id)
        for request in (
            stranger.ask_status,
            stranger.ask_configuration,
            stranger.ask_playbooks,
            lambda: stranger.beat({"status": "up"}),
            stranger.enrol,
            stranger.register,
        ):
            await _refused(trial, request, REFUSED, who)
        for addition in (stranger.disconnect, lambda: client.send("GET", f"{CHANGES}?after=0")):
            await _refused(trial, addition, (*REFUSED, *ABSENT), who)


async def _refused(
    trial: Trial, request: Callable[[], Awaitable[Exchange]], statuses: tuple[int, ...], who: str
) -> None:
    try:
        exchange = await request()
    except Failed as error:
        if isinstance(error.__cause__, TimeoutError):
            raise
        return
    trial.client.exchanges.append(exchange)
    if exchange.status not in statuses:
        raise Failed(f"{exchange} for {who}; expected 401, 403 or no TLS connection")
