"""The interfaces between the agent and its features.

The agent receives configurations, stores them, registers, sends heartbeats and obeys `disconnect`.
Everything that a device does with a configuration is a feature: a folder beside this file and its
line in `feature_list`. The agent goes through the features in the order of that list, and wipes
them in the reverse order, because a feature comes after those that it builds on. Before, it halts
all of them: none may make again what another one has removed.
"""

from __future__ import annotations

from typing import Protocol

from flotta.protocol.models import DeviceConfigurationMessage, Heartbeat, RegistrationInfo
from flotta.protocol.reasons.reason import Code


class AgentContext(Protocol):
    """What a feature may ask of the agent that runs it."""

    @property
    def device_id(self) -> str:
        """The id of this device, empty until a gateway was connected."""

    @property
    def may_remove(self) -> bool:
        """Whether what the configuration does not contain is to be removed.

        Not while the configuration is from disk and a newer one may have been lost.
        """

    def request_heartbeat(self) -> None:
        """Ask for a heartbeat soon, because a report would differ from the last one."""

    def add_warning(self, reason: Code, message: str, *, workload: str = "") -> None:
        """Queue a warning, an event for the control plane.

        `reason` is one CamelCase word, `message` a sentence, `workload` the name of the workload
        that it is about. Without a configuration no control plane expects it, and it is dropped.
        """


class Feature(Protocol):
    """One thing that a device does for its control plane.

    A subclass overrides only the methods that it needs; the others do nothing. They are called in
    this order: `prepare` once, `configure` for a configuration that is on disk, then `run` beside
    all others.
    """

    @property
    def problem(self) -> str:
        """Why the device is degraded because of this feature, empty when it is not."""
        return ""

    async def prepare(self) -> None:
        """Look at what exists on the device, before anything is configured or runs."""
        return

    def configure(self, message: DeviceConfigurationMessage) -> None:
        """Take a new configuration, which was checked as a whole and differs from the last one.

        It must not wait, so that no heartbeat sees half of a configuration: the work is for `run`.
        What cannot be applied is reported by name, with an event or in `report`, never raised.
        """
        return

    async def wait_applied(self) -> None:
        """Wait until everything that was configured last was tried once, successful or not.

        Only then does a heartbeat carry the version of that configuration.
        """
        return

    async def run(self) -> None:
        """Serve until cancelled; may return when there is nothing to serve."""
        return

    async def describe(self, registration: RegistrationInfo) -> None:
        """Fill in what the control plane must know about the device before it joins."""
        return

    async def report(self, heartbeat: Heartbeat) -> None:
        """Fill this feature's part of a heartbeat that is being built."""
        return

    def acknowledge(self, heartbeat: Heartbeat) -> None:
        """Note that the control plane has accepted a heartbeat that `report` filled."""
        return

    def report_fully(self) -> None:
        """Report everything with the next heartbeat: the control plane has lost it."""
        return

    def keep_stopped(self, *, stopped: bool) -> None:
        """Stop what was deployed, until this is called again to start it; remove nothing.

        The device is quarantined, or released. Called again and again with what is known already,
        and not again after a restart: a feature remembers it.
        """
        return

    async def halt(self) -> None:
        """Stop making files, because the features are about to be wiped; `run` continues."""
        return

    async def wipe(self) -> None:
        """Remove everything that came from the control plane; `run` continues."""
        return
