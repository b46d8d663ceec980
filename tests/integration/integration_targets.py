"""Runs the integration targets of the collection by one ansible-playbook."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from bare_controller import COLLECTION, make_controller

TARGETS = COLLECTION / "tests/integration/targets"
CLEANING = "Remove what is left"  # the task of a target that runs after a failure only


def names_of_targets() -> list[str]:
    """Return the targets of modules; the others are what these depend on."""
    aliases = sorted(TARGETS.glob("*/aliases"))
    return [file.parent.name for file in aliases if "hidden" not in file.read_text().split()]


def run_playbook(
    folder: Path, config: Mapping[str, Any], names: Collection[str]
) -> subprocess.CompletedProcess[str]:
    """Run targets, on a controller with nothing of flotta."""
    roles = [{"ansible.builtin.include_role": {"name": name}} for name in names]
    play = folder / "targets.json"
    play.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": roles}]))
    (folder / "controller").mkdir()
    controller = make_controller(folder / "controller")
    given = {"output_dir": str(folder), **config}
    places = {"ANSIBLE_ROLES_PATH": str(TARGETS), "ANSIBLE_PIPELINING": "true"}
    return controller.play(play, {"localhost": given}, **places)


def assert_ran(done: subprocess.CompletedProcess[str], names: Collection[str]) -> None:
    """Assert that the targets passed, and that none of their tasks was skipped."""
    assert done.returncode == 0, done.stdout + done.stderr
    tasks = done.stdout.split("\nTASK [")[1:]
    titles = [task.partition("]")[0].partition(" : ") for task in tasks]
    missing = set(names) - {target for target, _, _ in titles}
    assert not missing, missing
    skipped = [
        f"{target}: {title}"
        for task, (target, _, title) in zip(tasks, titles, strict=True)
        if target in names and title != CLEANING and "\nskipping: " in task
    ]
    assert not skipped, skipped
