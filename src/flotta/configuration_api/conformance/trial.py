"""What the checks of all rules share: the store, the hook, and devices in the states they need.

If the store does not take a step on the way to such a state, the rule that needs the state is
skipped: the rule that is about the step fails.
"""

from __future__ import annotations

import secrets
import ssl
from dataclasses import dataclass, field

import msgspec

from flotta.configuration_api.conformance.candidate import Candidate
from flotta.configuration_api.conformance.exchange import Exchange
from flotta.configuration_api.conformance.hook import Hook
from flotta.configuration_api.conformance.outcomes import Failed, Skipped
from flotta.configuration_api.conformance.store_client import StoreClient
from flotta.protocol.models import (
    DataConfiguration,
    DataPath,
    DeviceConfiguration,
    DeviceConfigurationMessage,
    HeartbeatConfiguration,
    Secret,
    Workload,
)


@dataclass(frozen=True)
class Limits:
    """Seconds: within which a response has to come, and for which the kit lets one be held."""

    response: float = 5.0
    hold: int = 2  # RFC 7240 has whole seconds


@dataclass
class Trial:
    """A run of the kit; `stranger` is TLS with another certificate than the Edge API's."""

    client: StoreClient
    url: str
    hook: Hook
    namespace: str
    limits: Limits = field(default_factory=Limits)
    anonymous: ssl.SSLContext | None = None
    stranger: ssl.SSLContext | None = None
    prefix: str = field(default_factory=lambda: f"conformance-{secrets.token_hex(4)}")
    devices: list[Candidate] = field(default_factory=list)
    _shared: Candidate | None = None
    _obstacle: str = ""

    def new_device(self, device_id: str = "") -> Candidate:
        """Return a device that was never on record."""
        name = device_id or f"{self.prefix}-{len(self.devices)}"
        self.devices.append(Candidate(self.client, self.namespace, name))
        return self.devices[-1]

    async def approve(self, device: Candidate) -> None:
        """Let a device register that asked; raises Skipped where nobody can."""
        if (await device.enrol()).status != 200:
            await self.hook.approve(device.namespace, device.device_id)

    async def joined(self) -> Candidate:
        """Return a registered device; raises Skipped if the store let none join."""
        device = self.new_device()
        try:
            await self.approve(device)
            exchange = await device.register()
            found = await device.status()
        except Failed as error:
            raise Skipped(f"no device could join: {error}") from error
        if not exchange.succeeded:
            raise Skipped(f"no device could join: {exchange}")
        device.take_certificate(found)
        return device

    async def shared(self) -> Candidate:
        """Return a registered device that several checks use."""
        if self._obstacle:
            raise Skipped(self._obstacle)
        if self._shared is None:
            try:
                self._shared = await self.joined()
            except Skipped as error:
                self._obstacle = str(error)
                raise
        return self._shared

    async def configure(self, device: Candidate, *workloads: str) -> None:
        """Give a device a configuration with workloads of these names; raises Skipped."""
        message = configuration(*workloads)
        message.device_id = device.device_id
        content = msgspec.json.encode(message)
        try:
            await self.hook.configure(device.namespace, device.device_id, content)
        except Failed as error:
            raise Skipped(str(error)) from error

    async def unregister(self, device: Candidate) -> None:
        """Record the wish that a device goes; raises Skipped."""
        try:
            await self.hook.unregister(device.namespace, device.device_id)
        except Failed as error:
            raise Skipped(str(error)) from error

    async def leaving(self) -> Candidate:
        """Return a device that joined and is to go; raises Skipped."""
        device = await self.joined()
        await self.unregister(device)
        return device

    async def configuration_of(self, device: Candidate) -> Exchange:
        """Return the response with its configuration; raises Skipped if there is none."""
        exchange = await device.ask_configuration()
        if exchange.status != 200:
            raise Skipped(f"there is no configuration: {exchange}")
        return exchange


def configuration(*workloads: str) -> DeviceConfigurationMessage:
    """Return a configuration with workloads of these names, and something in every section."""
    return DeviceConfigurationMessage(
        configuration=DeviceConfiguration(heartbeat=HeartbeatConfiguration(period_seconds=37)),
        secrets=[Secret(name="conformance", data='{"key":"dmFsdWU="}')],
        workloads=[_workload(name) for name in workloads],
    )


def _workload(name: str) -> Workload:
    return Workload(
        name=name,
        specification="containers:\n- name: one\n  image: registry.example.com/one:1\n",
        configmaps=["kind: ConfigMap\nmetadata:\n  name: conformance\ndata:\n  key: value\n"],
        data=DataConfiguration(egress=[DataPath(source="logs", target="logs")]),
        labels={"conformance": name},
    )
