"""Who is served, and what becomes of paths that a store does not have."""

from __future__ import annotations

import ssl

from flotta.configuration_api.conformance.exchange import ABSENT
from flotta.configuration_api.conformance.outcomes import Failed, Skipped
from flotta.configuration_api.conformance.rule import rule
from flotta.configuration_api.conformance.store_client import StoreClient
from flotta.configuration_api.conformance.trial import Trial

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
    """Raise Failed unless a connection or its request is refused."""
    path = trial.new_device().path("registration")
    async with StoreClient(trial.url, tls) as client:
        try:
            exchange = await client.send("GET", path)
        except Failed as error:
            if isinstance(error.__cause__, TimeoutError):
                raise
            return
    trial.client.exchanges.append(exchange)
    if exchange.status not in REFUSED:
        raise Failed(f"{exchange} for {who}; expected 401, 403 or no TLS connection")
