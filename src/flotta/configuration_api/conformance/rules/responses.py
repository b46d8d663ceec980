"""What holds for every response; checked last, of all that came."""

from __future__ import annotations

import msgspec

from flotta.configuration_api.conformance.exchange import Exchange
from flotta.configuration_api.conformance.outcomes import Failed
from flotta.configuration_api.conformance.rule import rule
from flotta.configuration_api.conformance.trial import Trial
from flotta.protocol.configuration_api import CONFIGURATION, Failure

MOST = 64 * 1024  # bytes of a response
MOST_OF_CONFIGURATION = 16 * 1024 * 1024
JSON = "application/json"


@rule("errors-are-json", 'The body of an error is `{"message": "…"}`, or there is none.')
async def errors_are_json(trial: Trial) -> None:
    """Look at the errors."""
    for exchange in trial.client.exchanges:
        if exchange.status >= 400 and exchange.body and not _has_message(exchange.body):
            raise Failed(f'{exchange}; expected {{"message": "…"}} or no body')


@rule("content-type", "Every body comes with `Content-Type: application/json`.")
async def content_type(trial: Trial) -> None:
    """Look at the bodies."""
    for exchange in trial.client.exchanges:
        found = exchange.headers.get("content-type", "")
        if exchange.body and found.partition(";")[0].strip().lower() != JSON:
            raise Failed(f"{exchange}, with Content-Type {found!r}; expected {JSON}")


@rule("small-responses", "Responses have up to 64 KiB, configurations up to 16 MiB.")
async def small_responses(trial: Trial) -> None:
    """Look at the sizes."""
    for exchange in trial.client.exchanges:
        most = MOST_OF_CONFIGURATION if _is_configuration(exchange) else MOST
        if len(exchange.body) > most:
            raise Failed(f"{exchange}, and so on for {len(exchange.body)} bytes; at most {most}")


@rule("in-time", "Responses come within 5 seconds, and those of held requests that much later.")
async def in_time(trial: Trial) -> None:
    """Look at the times, less those for which a request allowed to be held."""
    for exchange in trial.client.exchanges:
        most = trial.limits.response + exchange.hold
        if exchange.seconds > most:
            held = f", with Prefer: wait={exchange.hold}" if exchange.hold else ""
            raise Failed(
                f"{exchange} after {exchange.seconds:.1f} s{held}; expected within {most:g} s"
            )


def _has_message(body: bytes) -> bool:
    try:
        found = msgspec.json.decode(body)
        msgspec.convert(found, Failure)
    except msgspec.MsgspecError:
        return False
    return isinstance(found, dict)


def _is_configuration(exchange: Exchange) -> bool:
    return exchange.succeeded and exchange.path.endswith(f"/{CONFIGURATION}")
