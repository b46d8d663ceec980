"""Names and drop-ins of podman's own `podman-kube@` units, which run the pods without the worker.

Rules: docs/reference/device.md#units.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from pathlib import Path

from flotta.worker.pod_names import make_placeholder
from flotta.worker.workloads import process_commands
from flotta.worker.workloads.process_commands import ProcessCommands
from flotta.worker.workloads.unit_lines import quote
from flotta.worker.workloads.volume_commands import NOTHING, Preparation

DROP_IN = "50-flotta.conf"
TEMPLATE = "podman-kube@.service"
PLAIN = frozenset(string.ascii_letters + string.digits + ":_.")


# `play kube --down` of podman 4.3.1 kills without grace, so the pod is stopped first. A pod that
# ended by itself ($MAINPID is empty) stays, so that its exit codes can be read. The settings may
# be those of its successor already: what it was started with is in a link.
STOP = (
    "ExecStop=/bin/sh -c '{condition}{guard}podman pod stop "
    """-t "$$(readlink -- "$$2" || echo {grace})" -- {pod}; """
    """exec podman play kube --down -- "$$1"' sh %I {link}"""
)
REMOVE_FAILED = (
    """ExecStopPost=-/bin/sh -c 'test "$$SERVICE_RESULT" = success && exit; """
    """{guard}podman play kube --down -- "$$1" >/dev/null 2>&1' sh %I"""
)
IF_IT_RUNS = 'test -n "$$MAINPID" || exit 0; '
STOP_MARGIN = 60  # seconds for podman to remove a pod after its containers ended


def unit_name(manifest: Path) -> str:
    """Return the unit that plays a manifest, as `systemd-escape --template` names it."""
    return f"podman-kube@{_escape_path(str(manifest))}.service"


def _escape_path(path: str) -> str:
    return "".join(
        "-"
        if char == "/"
        else char
        if char in PLAIN
        else "".join(rf"\x{byte:02x}" for byte in char.encode())
        for char in path
    )


def render_drop_in(
    pod: str,
    restart_policy: str,
    grace: int,
    auth_file: Path | None,
    suspension_file: Path,
    preparation: Preparation = NOTHING,
    process: ProcessCommands = process_commands.NOTHING,
) -> bytes:
    """Return the drop-in for the unit of one pod.

    `grace` is how many seconds its containers have to exit after SIGTERM. While `suspension_file`
    exists, systemd does not start the unit. `preparation` is what the pod's volumes need before,
    `process` what its processes need besides podman.

    It makes up for the unit of podman 4.3.1: that does not restart; a container that could not
    start (port taken) leaves it active with a dead pod, so the pod is examined after each start; a
    failed start leaves its parts behind. A pod whose containers may end (restartPolicy Never,
    OnFailure) ends its service container by a signal: that is success. The distribution's
    `podman-restart.service` would otherwise start the same pods at boot.
    """
    ends = restart_policy in ("Never", "OnFailure")
    guard = _render_guard(pod)
    lines = [
        *_render_conditions(suspension_file, preparation),
        "[Service]",
        f"TimeoutStartSec={'infinity' if process.is_long else '15min'}",
        f"TimeoutStopSec={max(grace, process.grace) + STOP_MARGIN}",
        "Restart=on-failure" if ends else "Restart=always",
        "RestartSec=30",
        *(["SuccessExitStatus=137 143"] if ends else []),
        *([f"Environment=REGISTRY_AUTH_FILE={auth_file}"] if auth_file else []),
        *_render_start(pod, guard, preparation, process),
        "ExecStop=",
        *(f"ExecStop=-{command}" for command in process.pre_stop),
        _render_stop(pod, IF_IT_RUNS if ends else "", grace, process.grace_link),
        *(f"ExecStopPost=-{command}" for command in process.clean),
        REMOVE_FAILED.format(guard=guard),
    ]
    return "\n".join([*lines, ""]).encode()


def _render_conditions(suspension_file: Path, preparation: Preparation) -> Iterator[str]:
    yield "# Written by flotta-device-worker; changes are lost."
    yield "[Unit]"
    yield "StartLimitIntervalSec=0"
    yield "Before=podman-restart.service"
    yield "ConditionPathExists=!" + str(suspension_file).replace("%", "%%")
    yield from (f"RequiresMountsFor={quote(path)}" for path in preparation.paths)


def _render_start(
    pod: str, guard: str, preparation: Preparation, process: ProcessCommands
) -> Iterator[str]:
    """Yield what the unit runs before and after podman plays the manifest, and how it does."""
    before = (*process.begin, *preparation.first, *process.initialise, *preparation.late)
    yield from (f"ExecStartPre={command}" for command in before)
    if guard:
        yield f"ExecStartPre=/bin/sh -c '{guard}podman pod rm -f -t 0 -- {pod}'"
    yield from process.play
    created = f"podman ps -aq --filter pod={pod} --filter status=created"
    yield f"ExecStartPost=/bin/sh -c '! {created} | grep -q .'"
    yield from (f"ExecStartPost={command}" for command in process.post_start)


def _render_stop(pod: str, condition: str, grace: int, link: str) -> str:
    return STOP.format(
        condition=condition, guard=_render_guard(pod), grace=grace, pod=pod, link=link
    )


def _render_guard(pod: str) -> str:
    """Return shell code that keeps podman from taking another pod for this one, empty if none."""
    placeholder = make_placeholder(pod)
    return f"{' '.join(placeholder)} >/dev/null 2>&1; " if placeholder else ""
