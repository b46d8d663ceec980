"""What the callback of this checkout shows of a run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TIMED = re.compile(r"\[localhost\] \d+\.\d s$")


def test_what_debug_prints_is_shown(tmp_path: Path) -> None:
    tasks = [
        {"ansible.builtin.debug": {"var": "label"}},
        {"ansible.builtin.debug": {"msg": "It is {{ item }}."}, "loop": ["red", "blue"]},
        {"ansible.builtin.set_fact": {"quiet": "nothing of this"}},
    ]
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"label": {"app": "os-stats"}},
        "tasks": tasks,
    }
    (tmp_path / "play.json").write_text(json.dumps([play]))
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_STDOUT_CALLBACK": "flotta.edge.progress",
        "ANSIBLE_NOCOLOR": "1",
        "NO_COLOR": "1",
    }
    command = [sys.executable, "-m", "ansible.cli.playbook", "play.json"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    lines = done.stdout.split("PLAY RECAP")[0].splitlines()
    # A step of more than a second has a line of its own, on a machine that stands still any step.
    said = " ".join(" ".join(line for line in lines if not TIMED.search(line)).split())
    assert said == 'localhost { "label": { "app": "os-stats" } } It is red. It is blue.', done
