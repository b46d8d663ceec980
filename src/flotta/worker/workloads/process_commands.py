"""What the unit of a pod runs for its processes besides podman, as lines of a drop-in."""

from __future__ import annotations

import os
from dataclasses import dataclass

from flotta.worker.pod_names import is_like_id
from flotta.worker.pod_unit.addresses import NETWORK_VARIABLE
from flotta.worker.pod_unit.plan import ADDRESS_FILE, ProcessPlan, read_plan
from flotta.worker.workloads.unit_lines import UNIT_NAME, quote, render_command
from flotta.worker.workloads.workload_paths import WorkloadPaths

PLAY = "podman play kube --service-container=true"


@dataclass(frozen=True)
class ProcessCommands:
    """Command lines by the moment at which the unit runs them.

    `play` are settings that replace how podman plays the manifest. `is_long` is whether a start may
    take any time. `grace` is the longest time in seconds that containers have to exit;
    `grace_link` is a word: the path that says which of them the pod has that runs.
    """

    begin: tuple[str, ...] = ()
    initialise: tuple[str, ...] = ()
    play: tuple[str, ...] = ()
    post_start: tuple[str, ...] = ()
    pre_stop: tuple[str, ...] = ()
    clean: tuple[str, ...] = ()
    is_long: bool = False
    grace: int = 0
    grace_link: str = '""'


NOTHING = ProcessCommands()


def render_commands(plan: ProcessPlan, paths: WorkloadPaths) -> ProcessCommands:
    """Return what the unit of a pod runs by a plan."""

    def stage(name: str, needed: object) -> tuple[str, ...]:
        words = (name, str(paths.process_plan), UNIT_NAME)
        return (render_command("flotta.worker.pod_unit", *words),) if needed else ()

    started = _read_started(paths)
    return ProcessCommands(
        begin=(
            *stage("users", plan.non_root),
            *_render_keeping(plan, paths, started),
            f"-/bin/ln -sfn {plan.grace} {quote(str(paths.started_grace))}",
            *stage("addresses", plan.is_addressed),
        ),
        initialise=stage("initialise", plan.init_containers),
        play=_render_play(plan, paths),
        post_start=stage("post-start", plan.post_start),
        pre_stop=stage("pre-stop", plan.pre_stop or (started and started.pre_stop)),
        clean=stage("clean", plan.init_containers or plan.has_hooks),
        is_long=plan.is_long,
        grace=max(plan.grace, _read_started_grace(paths)),
        grace_link=quote(str(paths.started_grace)),
    )


def _read_started(paths: WorkloadPaths) -> ProcessPlan | None:
    try:
        return read_plan(paths.started_plan)
    except (OSError, ValueError):
        return None


def _read_started_grace(paths: WorkloadPaths) -> int:
    try:
        return int(os.readlink(paths.started_grace))
    except (OSError, ValueError):
        return 0


def _render_keeping(
    plan: ProcessPlan, paths: WorkloadPaths, started: ProcessPlan | None
) -> tuple[str, ...]:
    """Return what keeps the plan of the pod that is started now.

    Its hooks are those to run when it ends, also because another plan has taken the place.
    """
    if plan.has_hooks:
        # A link needs no room on the disk, and keeps what it was made of: files are replaced.
        return (f"-/bin/ln -f {quote(str(paths.process_plan))} {quote(str(paths.started_plan))}",)
    return (f"-/bin/rm -f -- {quote(str(paths.started_plan))}",) if started else ()


def _render_play(plan: ProcessPlan, paths: WorkloadPaths) -> tuple[str, ...]:
    """Return the settings that replace those of podman's template, where that is needed.

    A manifest with addresses is played on the address that was found.
    """
    play = PLAY if is_like_id(plan.workload) else f"{PLAY} --replace"
    if plan.is_addressed:
        return (
            f"EnvironmentFile=-{paths.directory / ADDRESS_FILE}".replace("%", "%%"),
            "ExecStart=",
            f"ExecStart={play} ${NETWORK_VARIABLE} {quote(str(paths.addressed_manifest))}",
        )
    if is_like_id(plan.workload):
        return "ExecStart=", f"ExecStart={play} {quote(str(paths.manifest))}"
    return ()
