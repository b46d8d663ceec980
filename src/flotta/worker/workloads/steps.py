"""Desired minus current gives steps (docs/reference/device.md#from-desired-to-running)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flotta.protocol.models import DataConfiguration
from flotta.worker.systemd import NO_UNIT, UnitState
from flotta.worker.workloads.manifest import Pod
from flotta.worker.workloads.records import FORMAT, WorkloadRecord


@dataclass(frozen=True)
class FetchImages:
    """Makes the pod's images present; `refresh` also asks for newer ones (pull policy Always)."""

    pod: Pod
    refresh: bool


@dataclass(frozen=True)
class WriteFiles:
    """Puts manifest, files and unit settings in place; systemd is to read them if `outdated`."""

    pod: Pod
    outdated: bool = False


@dataclass(frozen=True)
class NoteData:
    """Remembers what becomes of a workload's files, before its pod is as the configuration says."""

    name: str
    data: DataConfiguration | None


@dataclass(frozen=True)
class StartPod:
    """Starts the pod's unit, replacing a pod that runs from older files.

    `is_long` is whether that may take any time, because of init containers or hooks.
    """

    name: str
    is_long: bool = False


@dataclass(frozen=True)
class StopPod:
    """Stops the pod's unit and removes the pod if it remains.

    `soon` is whether that may not take the pod's whole grace period.
    """

    name: str
    soon: bool = False


@dataclass(frozen=True)
class FlushData:
    """Uploads a last time what a workload that is removed has written."""

    name: str


@dataclass(frozen=True)
class RemoveFiles:
    """Deletes everything of a workload, its export directory too unless that is to be kept."""

    name: str


Step = FetchImages | WriteFiles | NoteData | StartPod | StopPod | FlushData | RemoveFiles


def may_take_long(step: Step) -> bool:
    """Tell whether a change must not wait for the end of a step."""
    return isinstance(step, FetchImages | StopPod) or (isinstance(step, StartPod) and step.is_long)


@dataclass(frozen=True)
class Current:
    """What exists of one workload: record on disk, if any, unit, digest of the pod."""

    record: WorkloadRecord | None = None  # on disk
    unit: UnitState = NO_UNIT
    pod_digest: str = ""  # of the pod that exists
    has_running: bool = False  # containers, which may outlive their unit

    @property
    def settled(self) -> bool:
        """Whether the unit runs its pod, or will without the worker."""
        return self.unit.active in ("active", "reloading") or self.unit.waits_for_restart


def plan_steps(
    name: str,
    pod: Pod,
    current: Current,
    *,
    eager: bool = False,
    crash_looping: bool = False,
    interrupted: bool = False,
) -> tuple[Step, ...]:
    """Return the steps from `current` to `pod`, none when there is nothing to do.

    `eager` starts a unit now that systemd would restart only later; `crash_looping` leaves a unit
    stopped; `interrupted` starts one that was stopped before it had finished.
    """
    if current.record is None or current.record.digest != pod.digest:
        return (
            *_note_data(name, pod.data, current),
            FetchImages(pod, refresh=True),
            WriteFiles(pod, current.unit.outdated),
            StartPod(name, pod.process.is_long),
        )
    if current.unit.outdated or _has_other_settings(pod, current.record):
        return (WriteFiles(pod, current.unit.outdated),)
    if current.unit.changing or (_is_finished(pod, current) and not interrupted):
        return ()
    stale = current.unit.active == "active" and current.pod_digest not in ("", pod.digest)
    waiting = eager and current.unit.waits_for_restart
    if crash_looping or (current.settled and not stale and not waiting):
        return ()
    return FetchImages(pod, refresh=False), StartPod(name, pod.process.is_long)


def _has_other_settings(pod: Pod, record: WorkloadRecord) -> bool:
    """Tell whether files of a pod must be written that do not concern what runs."""
    present = record.data, record.format, record.rendering, record.mounts
    return present != (pod.data, FORMAT, pod.rendering, list(pod.mounts))


def plan_kept(
    name: str,
    current: Current,
    data: DataConfiguration | None,
    *,
    crash_looping: bool = False,
    interrupted: bool = False,
) -> tuple[Step, ...]:
    """Return the steps for an installed pod whose successor cannot be had: it runs on.

    systemd restarts it; only what the worker itself has stopped must be started by the worker.
    `data` is what the configuration says about its files.
    """
    record = current.record
    if record is None or not record.digest:
        return ()
    noted = _note_data(name, data, current)
    resting = crash_looping or current.settled or current.unit.changing
    if resting or not (record.restart_policy == "Always" or interrupted):
        return noted
    return *noted, StartPod(name, is_long=True)


def plan_removal(
    name: str, current: Current, known_data: Mapping[str, DataConfiguration | None]
) -> tuple[Step, ...]:
    """Return the steps that remove a workload, none when nothing is installed.

    `known_data` has what the last configuration said about its files, if that is known. It counts
    for a workload that is still whole: the record of another one says what is left to be done.
    """
    if current.record is None:
        return ()
    is_known = current.record.digest and name in known_data
    noted = _note_data(name, known_data[name], current) if is_known else ()
    return *noted, StopPod(name), FlushData(name), RemoveFiles(name)


def plan_suspension(name: str, current: Current) -> tuple[Step, ...]:
    """Return the steps that stop a pod and leave its files, none for one that does not run."""
    runs = current.settled or current.unit.changing or current.has_running
    return (StopPod(name, soon=True),) if runs else ()


def _note_data(name: str, data: DataConfiguration | None, current: Current) -> tuple[NoteData, ...]:
    return (NoteData(name, data),) if current.record and current.record.data != data else ()


def _is_finished(pod: Pod, current: Current) -> bool:
    """Tell whether a pod whose containers may end did so; only a reboot runs it again."""
    return (
        pod.restart_policy != "Always"
        and current.pod_digest in ("", pod.digest)
        and current.unit.invocation != ""
        and current.unit.active == "inactive"
        and current.unit.result == "success"
    )
