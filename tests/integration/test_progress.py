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


def run_play(folder: Path, tasks: list[object], **variables: object) -> list[str]:
    """Run tasks on this host and return the lines before the recap."""
    play = {"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}
    (folder / "play.json").write_text(json.dumps([play]))
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_STDOUT_CALLBACK": "flotta.edge.progress",
        "ANSIBLE_NOCOLOR": "1",
        "NO_COLOR": "1",
    }
    command = [sys.executable, "-m", "ansible.cli.playbook", "play.json"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return done.stdout.split("PLAY RECAP")[0].splitlines()


def test_what_debug_prints_is_shown(tmp_path: Path) -> None:
    tasks: list[object] = [
        {"ansible.builtin.debug": {"var": "label"}},
        {"ansible.builtin.debug": {"msg": "It is {{ item }}."}, "loop": ["red", "blue"]},
        {"ansible.builtin.set_fact": {"quiet": "nothing of this"}},
    ]
    lines = run_play(tmp_path, tasks, label={"app": "os-stats"})
    # A step of more than a second has a line of its own, on a machine that stands still any step.
    said = " ".join(" ".join(line for line in lines if not TIMED.search(line)).split())
    assert said == 'localhost { "label": { "app": "os-stats" } } It is red. It is blue.', lines


def test_output_of_a_host_reaches_no_terminal_as_it_is(tmp_path: Path) -> None:
    script = r"printf 'ok\nFAILED \033[2Jforged\n\342\200\256' >&2; exit 1"
    lines = run_play(tmp_path, [{"ansible.builtin.shell": script}])
    assert "    FAILED \ufffd[2Jforged" in lines
    assert not any("\x1b" in line or "\u202e" in line for line in lines)


def test_what_a_failed_task_expected_and_what_to_do_is_shown(tmp_path: Path) -> None:
    words = {"expected": "a free subnet", "advice": "name another one"}
    lines = run_play(tmp_path, [{"ansible.builtin.command": "false", "vars": words}])
    assert "    Expected: a free subnet" in lines
    assert "    What to do: name another one" in lines
