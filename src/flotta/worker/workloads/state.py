"""From observations of a pod to the phase, reason and message that are reported.

Phases are podman's words for pods, which every control plane knows, and `Deploying` until a pod
exists (docs/reference/device.md#phases-and-reasons).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from flotta.protocol.log_ends import with_log
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
from flotta.protocol.reasons.reason import NO_REASON, Code
from flotta.protocol.reasons.workloads import (
    COMPLETED,
    CONTAINER_FAILED,
    CONTAINER_RESTARTED,
    CONTAINER_START_FAILED,
    CONTAINERS_NOT_READY,
    CRASH_LOOP_BACK_OFF,
    CREATE_CONTAINER_CONFIG_ERROR,
    HOST_PORT_IN_USE,
    IMAGE_PULL_FAILED,
    INIT_CONTAINER_FAILED,
    INITIALIZING,
    POD_START_FAILED,
    POST_START_HOOK_FAILED,
    STARTING,
    UNHEALTHY,
)
from flotta.worker.errors import WorkloadError
from flotta.worker.podman import Container
from flotta.worker.probes.readiness import UNDECIDED, Readiness
from flotta.worker.systemd import NO_UNIT, UnitState

RESULTS = {
    "timeout": "the pod did not start or stop in time",
    "oom-kill": "a process of the pod's unit was killed, because the device had no memory left",
}
CRASH_LOOP = 3  # crashes within ten minutes that are reported as a loop


@dataclass(frozen=True)
class Crash:
    """Recent exits of a container: the last code, and how many within the last ten minutes.

    `cause` says why the worker ended it the last time, empty if it exited by itself.
    """

    container: str
    exit_code: int
    count: int
    cause: str = ""


@dataclass(frozen=True)
class WorkloadState:
    """What is reported of a workload."""

    phase: str
    reason: Code = NO_REASON
    message: str = ""
    ready: bool | None = None  # None where no probe decides it, or none has yet


@dataclass(frozen=True)
class Observation:
    """All that is known about one configured workload.

    `logs` and `init_logs` are how the logs of containers end that have failed, by their names.
    """

    unit: UnitState = NO_UNIT
    containers: Sequence[Container] = ()
    failure: WorkloadError | None = None
    activity: Code = NO_REASON
    explanation: str = ""
    crashes: Sequence[Crash] = ()
    readiness: Readiness = UNDECIDED
    logs: Mapping[str, str] = field(default_factory=dict)
    init_logs: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_failed_unit(self) -> bool:
        """Whether the unit failed, so that systemd starts the pod again later, or never."""
        return self.unit.active == "failed" or self.unit.waits_for_restart


def derive_state(observed: Observation) -> WorkloadState:
    """Return the state of a workload.

    An older pod that still runs keeps its phase beside a failure's reason.
    """
    initial = [container for container in observed.containers if container.is_init]
    regular = [container for container in observed.containers if not container.is_init]
    state = _derive_state(replace(observed, containers=regular), initial)
    ready = observed.readiness.ready
    return replace(state, ready=ready and state.phase == RUNNING)


def _derive_state(observed: Observation, initial: Sequence[Container]) -> WorkloadState:
    phase = derive_pod_phase(observed.containers)
    if observed.failure is not None:
        return _derive_failed_state(phase, observed.unit, observed.failure)
    if initial and observed.unit.active != "active":
        return _derive_initial_state(initial, observed.init_logs)
    worst = max(observed.crashes, key=lambda crash: crash.count, default=None)
    if worst is not None and worst.count >= CRASH_LOOP:
        return _derive_loop_state(observed, worst)
    if observed.explanation and observed.unit.active != "active":
        return WorkloadState(
            ERROR, classify_start_failure(observed.explanation), observed.explanation
        )
    if observed.has_failed_unit and not observed.activity:
        return _derive_ended_state(observed, worst)
    if observed.activity or observed.unit.changing or not observed.containers:
        starting = STARTING if observed.unit.changing else NO_REASON
        return WorkloadState(DEPLOYING, observed.activity or starting)
    return _derive_running_state(phase, observed, worst)


def _derive_failed_state(phase: str, unit: UnitState, failure: WorkloadError) -> WorkloadState:
    """Return the state after an attempt that failed; an older pod that runs keeps its phase."""
    alive = phase in (RUNNING, DEGRADED) and unit.active == "active"
    return WorkloadState(phase if alive else ERROR, failure.reason, failure.message)


def _derive_loop_state(observed: Observation, worst: Crash) -> WorkloadState:
    """Return the state of a pod of which one container crashes in a loop."""
    others = any(
        container.state == "running"
        for container in observed.containers
        if container.name != worst.container
    )
    phase = DEGRADED if others else ERROR
    return WorkloadState(phase, CRASH_LOOP_BACK_OFF, _describe_crash(observed, worst))


def _derive_ended_state(observed: Observation, worst: Crash | None) -> WorkloadState:
    """Return the state of a pod that started, and ended with a failure of its unit."""
    failed = next((one for one in observed.containers if one.exit_code), None)
    if worst is not None:
        reason = UNHEALTHY if worst.cause else CONTAINER_FAILED
        return WorkloadState(ERROR, reason, _describe_crash(observed, worst))
    if failed is not None:
        message = _describe_exit(observed, failed.name, failed.exit_code)
        return WorkloadState(ERROR, CONTAINER_FAILED, message)
    cause = RESULTS.get(observed.unit.result, "the pod ended, and podman gave no reason")
    return WorkloadState(ERROR, POD_START_FAILED, cause)


def _derive_initial_state(
    containers: Sequence[Container], logs: Mapping[str, str]
) -> WorkloadState:
    """Return the state of a workload whose init containers run, or did when one failed."""
    for container in containers:
        if container.state == "running":
            return WorkloadState(
                DEPLOYING, INITIALIZING, f'init container "{container.name}" is running'
            )
    for container in containers:
        if container.state in ("exited", "stopped") and container.exit_code:
            return WorkloadState(
                ERROR,
                INIT_CONTAINER_FAILED,
                with_log(
                    f'init container "{container.name}" exited with code {container.exit_code}',
                    logs.get(container.name),
                ),
            )
    return WorkloadState(DEPLOYING, INITIALIZING)


def _derive_running_state(phase: str, observed: Observation, worst: Crash | None) -> WorkloadState:
    ended = _describe_end(phase, observed)
    if ended is not None:
        return ended
    running = [container.name for container in observed.containers if container.state == "running"]
    restarted = worst if worst is not None and worst.container in running else None
    if restarted is not None and restarted.cause:
        return WorkloadState(phase, UNHEALTHY, _describe_crash(observed, restarted))
    if observed.readiness.ready is False:
        return WorkloadState(phase, CONTAINERS_NOT_READY, observed.readiness.message)
    if restarted is not None:
        return WorkloadState(phase, CONTAINER_RESTARTED, _describe_crash(observed, restarted))
    return WorkloadState(phase)


def _describe_end(phase: str, observed: Observation) -> WorkloadState | None:
    """Return the state of a pod with a container that ended and stays so, None for another."""
    causes = {crash.container: crash.cause for crash in observed.crashes if crash.cause}
    exited = [container for container in observed.containers if container.state == "exited"]
    failed = next((one for one in exited if one.exit_code or one.name in causes), None)
    if failed is not None and failed.name in causes:
        return WorkloadState(phase, UNHEALTHY, causes[failed.name])
    if failed is not None:
        message = _describe_exit(observed, failed.name, failed.exit_code)
        return WorkloadState(phase, CONTAINER_FAILED, message)
    return WorkloadState(phase, COMPLETED) if phase == EXITED else None


def _describe_crash(observed: Observation, crash: Crash) -> str:
    """Return the sentence about a container; how often it exited would make another one."""
    return crash.cause or _describe_exit(observed, crash.container, crash.exit_code)


def _describe_exit(observed: Observation, container: str, code: int) -> str:
    sentence = f'container "{container}" exited with code {code}'
    return with_log(sentence, observed.logs.get(container))


def derive_pod_phase(containers: Sequence[Container]) -> str:
    """Return the pod's state in podman's words from the states of its containers."""
    states = {container.state for container in containers}
    if not states or states <= {"created", "configured", "initialized"}:
        return CREATED
    for state, phase in (("running", RUNNING), ("exited", EXITED), ("paused", PAUSED)):
        if states == {state}:
            return phase
    if states <= {"exited", "stopped", "stopping"}:
        return STOPPED
    return DEGRADED if "running" in states else ERROR


def classify_start_failure(message: str) -> Code:
    """Name the cause of a failed start from podman's message."""
    for words, reason in (
        ("address already in use", HOST_PORT_IN_USE),
        ("initializing source", IMAGE_PULL_FAILED),
        ("image not known", IMAGE_PULL_FAILED),
        ("has runAsNonRoot and", CREATE_CONTAINER_CONFIG_ERROR),
        ('init container "', INIT_CONTAINER_FAILED),
        ("the postStart hook of", POST_START_HOOK_FAILED),
        ("executable file not found", CONTAINER_START_FAILED),
        ("runc create failed", CONTAINER_START_FAILED),
        ("OCI runtime", CONTAINER_START_FAILED),
    ):
        if words in message:
            return reason
    return POD_START_FAILED
