"""Configurations: what was put comes, with a version, and without needless repetitions."""

from __future__ import annotations

import msgspec

from flotta.configuration_api.conformance.candidate import Candidate
from flotta.configuration_api.conformance.exchange import Exchange
from flotta.configuration_api.conformance.outcomes import Failed, Skipped
from flotta.configuration_api.conformance.rule import rule
from flotta.configuration_api.conformance.trial import Trial
from flotta.protocol.configuration_api import ConfigurationResponse
from flotta.protocol.models import DeviceConfigurationMessage

FORM = 'an object `{"device-configuration": {…}}`'
ETAG = "etag"


@rule("configuration-delivered", "A configured device gets what was configured, as an object.")
async def configuration_delivered(trial: Trial) -> None:
    """Configure a device and ask for it."""
    device = await _configured(trial, "one", "two")
    exchange = await device.ask_configuration()
    exchange.require(200, because="the device is registered and was configured")
    names = [workload.name for workload in _message(exchange).workloads or ()]
    if names != ["one", "two"]:
        raise Failed(f"{exchange}; the workloads are {names}; expected ['one', 'two']")


@rule("configuration-named", "A configuration has the `device_id` and a `version`.")
async def configuration_named(trial: Trial) -> None:
    """Look at both."""
    device = await _configured(trial, "one")
    message = _message(await trial.configuration_of(device))
    if message.device_id != device.device_id:
        raise Failed(f"device_id is {message.device_id!r}; expected {device.device_id!r}")
    if not message.version:
        raise Failed("version is missing; expected a text that changes when the content does")


@rule("configuration-stable", "Without a change, two requests get the same configuration.")
async def configuration_stable(trial: Trial) -> None:
    """Ask three times."""
    device = await _configured(trial, "one", "two", "three")
    bodies = [_content(await trial.configuration_of(device)) for _ in range(3)]
    if len(set(bodies)) > 1:
        raise Failed(
            "nothing was changed, but the configuration differs from one request to the next; "
            "expected the same bytes, lists in the same order: devices compare them"
        )


@rule("configuration-version", "`version` changes when the content does.")
async def configuration_version(trial: Trial) -> None:
    """Configure twice."""
    device = await _configured(trial, "one")
    before = _message(await trial.configuration_of(device)).version
    await trial.configure(device, "other")
    after = _message(await trial.configuration_of(device)).version
    if before == after:
        raise Failed(
            f"the version is {after!r} before and after another configuration; expected another: "
            "devices would not take it over"
        )


@rule("configuration-not-modified", "`ETag`, where a store sends it, in If-None-Match gets 304.")
async def configuration_not_modified(trial: Trial) -> None:
    """Ask with the entity tag of what is known."""
    device = await _configured(trial, "one")
    tag = _tag(await trial.configuration_of(device))
    exchange = await device.ask_configuration(tag)
    exchange.require(304, because=f"If-None-Match had the ETag {tag} of the response before")
    if exchange.body:
        raise Failed(f"{exchange}; a 304 has no body")


@rule("configuration-modified", "After a change, the former `ETag` gets 200 and another one.")
async def configuration_modified(trial: Trial) -> None:
    """Ask with the entity tag of what was known before a change."""
    device = await _configured(trial, "one")
    tag = _tag(await trial.configuration_of(device))
    await trial.configure(device, "other")
    exchange = await device.ask_configuration(tag)
    exchange.require(200, because=f"the configuration changed since the ETag {tag}")
    if exchange.headers.get(ETAG) == tag:
        raise Failed(f"the ETag is {tag} before and after a change; expected another")


async def _configured(trial: Trial, *workloads: str) -> Candidate:
    device = await trial.shared()
    await trial.configure(device, *workloads)
    return device


def _content(exchange: Exchange) -> bytes:
    content = exchange.read(ConfigurationResponse, FORM).device_configuration
    if not bytes(content).startswith(b"{"):
        raise Failed(f"{exchange}; expected {FORM}")
    return bytes(content)


def _message(exchange: Exchange) -> DeviceConfigurationMessage:
    try:
        return msgspec.json.decode(_content(exchange), type=DeviceConfigurationMessage)
    except msgspec.MsgspecError as error:
        raise Failed(f"{exchange}; expected a DeviceConfigurationMessage: {error}") from error


def _tag(exchange: Exchange) -> str:
    tag = exchange.headers.get(ETAG, "")
    if not tag:
        raise Skipped("the store sends no ETag (an addition)")
    return tag
