"""Configurations: what was put comes, with a version, and without needless repetitions."""

from __future__ import annotations

import msgspec

from flotta.configuration_api.conformance.candidate import Candidate
from flotta.configuration_api.conformance.comparison import find_difference
from flotta.configuration_api.conformance.exchange import Exchange
from flotta.configuration_api.conformance.outcomes import Failed, Skipped
from flotta.configuration_api.conformance.rule import rule
from flotta.configuration_api.conformance.trial import Trial, configuration
from flotta.protocol.configuration_api import ConfigurationResponse
from flotta.protocol.models import DeviceConfigurationMessage

FORM = 'an object `{"device-configuration": {…}}`'
ETAG = "etag"


@rule(
    "unconfigured-has-no-configuration",
    "A registered device that nobody has configured gets 404, no configuration.",
)
async def unconfigured_has_no_configuration(trial: Trial) -> None:
    """Ask for the configuration of a device that has just joined."""
    exchange = await (await trial.joined()).ask_configuration()
    exchange.require(404, because="an empty configuration would remove the device's workloads")


@rule(
    "enrolled-has-no-configuration",
    "A device that is configured and has enrolled, but not registered, gets 404.",
)
async def enrolled_has_no_configuration(trial: Trial) -> None:
    """Configure a device that has not joined yet."""
    device = trial.new_device()
    if not (exchange := await device.enrol()).succeeded:
        raise Skipped(f"the device cannot enrol: {exchange}")
    await trial.configure(device, "one")
    exchange = await device.ask_configuration()
    exchange.require(404, because="the device is not registered, and Secrets are not for it")


@rule("leaving-has-no-configuration", "A configured device that is to go gets 404.")
async def leaving_has_no_configuration(trial: Trial) -> None:
    """Configure a device and record the wish that it goes."""
    device = await trial.joined()
    await trial.configure(device, "one")
    await trial.unregister(device)
    exchange = await device.ask_configuration()
    exchange.require(404, because="the device is not registered any more")


@rule(
    "configuration-delivered",
    "A configured device gets all of what was configured, as an object, lists in their order.",
)
async def configuration_delivered(trial: Trial) -> None:
    """Configure a device and compare."""
    device = await _configured(trial, "one", "two")
    exchange = await device.ask_configuration()
    exchange.require(200, because="the device is registered and was configured")
    found = msgspec.json.decode(_content(exchange))
    put = msgspec.to_builtins(configuration("one", "two"))
    if difference := find_difference(put, found):
        raise Failed(f"{exchange.method} /{exchange.path}: {difference}")


@rule("configuration-empty", "A configuration without workloads is delivered, not withheld.")
async def configuration_empty(trial: Trial) -> None:
    """Configure a device that had workloads with none."""
    device = await _configured(trial)
    exchange = await device.ask_configuration()
    exchange.require(200, because="somebody configured it so: the device is to run no workloads")
    if names := [workload.name for workload in _message(exchange).workloads or ()]:
        raise Failed(f"the workloads are {names}; expected none: somebody removed them")


@rule("configuration-named", "A configuration has the `device_id` and a `version`.")
async def configuration_named(trial: Trial) -> None:
    """Look at both."""
    device = await _configured(trial, "one")
    message = _message(await trial.configuration_of(device))
    if message.device_id != device.device_id:
        raise Failed(f"device_id is {message.device_id!r}; expected {device.device_id!r}")
    if not message.version:
        raise Failed("version is missing; expected a text that changes when the content does")


@rule(
    "configuration-stable",
    "Without a change, requests get the same configuration and `version`, also after heartbeats "
    "and after the same was put again.",
)
async def configuration_stable(trial: Trial) -> None:
    """Ask again, after a heartbeat, and after the same configuration."""
    device = await _configured(trial, "one", "two", "three")
    first = _content(await trial.configuration_of(device))
    await _require_same(trial, device, first, "between two requests")
    await device.beat({"status": "up"})
    await _require_same(trial, device, first, "but the device reported")
    await trial.configure(device, "one", "two", "three")
    await _require_same(trial, device, first, "but the same was put again")


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


@rule("configuration-etag", "`ETag`, where a store sends it, is the `version` in quotes.")
async def configuration_etag(trial: Trial) -> None:
    """Compare both."""
    exchange = await trial.configuration_of(await _configured(trial, "one"))
    tag, version = _tag(exchange), _message(exchange).version
    if tag != f'"{version}"':
        raise Failed(f'the ETag is {tag}, the version {version!r}; expected "{version}"')


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


async def _require_same(trial: Trial, device: Candidate, first: bytes, what: str) -> None:
    """Raise Failed unless the device gets the same bytes as at first."""
    if _content(await trial.configuration_of(device)) != first:
        raise Failed(
            f"nothing was changed {what}, and the configuration differs; expected the same bytes, "
            "lists in the same order, the same version: devices compare them"
        )


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
