"""What the unit of a pod runs for its processes besides podman, as lines of a drop-in."""

from __future__ import annotations

from dataclasses import dataclass

from flotta.worker.pod_unit.addresses import NETWORK_VARIABLE
from flotta.worker.pod_unit.plan import ADDRESS_FILE, ProcessPlan
from flotta.worker.workloads.unit_lines import UNIT_NAME, quote, render_command
from flotta.worker.workloads.workload_paths import WorkloadPaths

PLAY = "podman play kube --replace --service-container=true"


@dataclass(frozen=True)
class ProcessCommands:
    """Command lines by the moment at which the unit runs them.

    `play` are settings that replace how podman plays the manifest. `is_long` is whether a start may
    take any time.
    """

    addresses: tuple[str, ...] = ()
    initialise: tuple[str, ...] = ()
    play: tuple[str, ...] = ()
    post_start: tuple[str, ...] = ()
    pre_stop: tuple[str, ...] = ()
    clean: tuple[str, ...] = ()
    is_long: bool = False


NOTHING = ProcessCommands()


def render_commands(plan: ProcessPlan, paths: WorkloadPaths) -> ProcessCommands:
    """Return what the unit of a pod runs by a plan."""

    def stage(name: str, needed: object) -> tuple[str, ...]:
        words = (name, str(paths.process_plan), UNIT_NAME)
        return (render_command("flotta.worker.pod_unit", *words),) if needed else ()

    has_hooks = plan.post_start or plan.pre_stop
    return ProcessCommands(
        addresses=stage("addresses", plan.is_addressed),
        initialise=stage("initialise", plan.init_containers),
        play=_render_play(paths) if plan.is_addressed else (),
        post_start=stage("post-start", plan.post_start),
        pre_stop=stage("pre-stop", plan.pre_stop),
        clean=stage("clean", plan.init_containers or has_hooks),
        is_long=plan.is_long,
    )


def _render_play(paths: WorkloadPaths) -> tuple[str, ...]:
    """Return the settings that play the manifest with addresses, on the address that was found."""
    return (
        f"EnvironmentFile=-{paths.directory / ADDRESS_FILE}".replace("%", "%%"),
        "ExecStart=",
        f"ExecStart={PLAY} ${NETWORK_VARIABLE} {quote(str(paths.addressed_manifest))}",
    )
