"""From what is seen of a pod to the phase, reason and message that are reported (device-agent.md §3.9).

Phases are podman's words for pods, which every control plane knows, and ``Deploying`` until there is a pod.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flotta.protocol.phases import (
    CREATED,
    DEGRADED,
    DEPLOYING,
    ERROR,
    EXITED,
    PAUSED,
    RUNNING,
    STOPPED,
)

from ..errors import WorkloadError
from ..podman import Container
from ..systemd import NO_UNIT, UnitState

CRASH_LOOP = 3


@dataclass(frozen=True)
class Crash:
    """How a container ended lately: last exit code, and how often within the last ten minutes."""

    container: str
    exit_code: int
    count: int


@dataclass(frozen=True)
class State:
    """What is reported of a workload."""

    phase: str
    reason: str = ""
    message: str = ""

    @property
    def kind(self) -> tuple[str, str]:
        """What has to change for a heartbeat to be sent at once."""
        return self.phase, self.reason


@dataclass(frozen=True)
class View:
    """All that is known of one configured workload."""

    unit: UnitState = NO_UNIT
    containers: Sequence[Container] = ()
    failure: WorkloadError | None = None
    activity: str = ""
    explanation: str = ""
    crashes: Sequence[Crash] = ()


def state_of(view: View) -> State:
    """Return the state of a workload; an older pod that still runs keeps its phase beside a failure's reason."""
    phase = pod_phase(view.containers)
    if view.failure is not None:
        alive = phase in (RUNNING, DEGRADED) and view.unit.active == "active"
        return State(phase if alive else ERROR, view.failure.reason, view.failure.message)
    worst = max(view.crashes, key=lambda crash: crash.count, default=None)
    if worst is not None and worst.count >= CRASH_LOOP:
        others = any(c.state == "running" for c in view.containers if c.name != worst.container)
        return State(DEGRADED if others else ERROR, "CrashLoopBackOff", _ended(worst))
    if view.explanation and view.unit.active != "active":
        return State(ERROR, start_reason(view.explanation), view.explanation)
    if view.activity or view.unit.changing or not view.containers:
        return State(DEPLOYING, view.activity or ("Starting" if view.unit.changing else ""))
    return _running_state(phase, view, worst)


def _running_state(phase: str, view: View, worst: Crash | None) -> State:
    if phase == EXITED and not any(c.exit_code for c in view.containers):
        return State(phase, "Completed")
    failed = next((c for c in view.containers if c.state == "exited" and c.exit_code), None)
    if failed is not None:
        return State(
            phase,
            "ContainerFailed",
            f'container "{failed.name}" exited with code {failed.exit_code}',
        )
    running = [c.name for c in view.containers if c.state == "running"]
    if worst is not None and worst.container in running:
        return State(phase, "ContainerRestarted", _ended(worst))
    return State(phase)


def _ended(crash: Crash) -> str:
    times = "once" if crash.count == 1 else f"{crash.count} times"
    return f'container "{crash.container}" exited with code {crash.exit_code}, restarted {times}'


def pod_phase(containers: Sequence[Container]) -> str:
    """Return the pod's state in podman's words from the states of its containers."""
    states = {container.state for container in containers}
    if not states or states <= {"created", "configured", "initialized"}:
        return CREATED
    for one, phase in (("running", RUNNING), ("exited", EXITED), ("paused", PAUSED)):
        if states == {one}:
            return phase
    if states <= {"exited", "stopped", "stopping"}:
        return STOPPED
    return DEGRADED if "running" in states else ERROR


def start_reason(message: str) -> str:
    """Name the cause of a failed start from podman's message."""
    for words, reason in (
        ("address already in use", "HostPortInUse"),
        ("initializing source", "ImagePullFailed"),
        ("image not known", "ImagePullFailed"),
        ("executable file not found", "ContainerStartFailed"),
        ("runc create failed", "ContainerStartFailed"),
        ("OCI runtime", "ContainerStartFailed"),
    ):
        if words in message:
            return reason
    return "PodStartFailed"
