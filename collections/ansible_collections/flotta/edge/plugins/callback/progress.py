# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stdout callback with one line for each task that changed something, and readable failures."""

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: stdout
short_description: Short output with the time that each task took
version_added: 0.1.0
description:
  - Prints one line for each task that changed something or took longer than a second, with the time it took.
  - For a task that retries until something is ready, prints a line every 15 seconds.
  - For a failed task, prints the host, the task, its message and output and, if the task has variables C(expected) and C(advice), what
    was expected and what to do.
  - With C(-v) or more, prints the same as the callback P(ansible.builtin.default#callback).
requirements:
  - Set it as standard output callback, with C(stdout_callback = flotta.edge.progress) in C(ansible.cfg) or
    E(ANSIBLE_STDOUT_CALLBACK) in the environment.
extends_documentation_fragment:
  - default_callback
"""

import time
from typing import Protocol

from ansible import constants
from ansible.executor.stats import AggregateStats
from ansible.inventory.host import Host
from ansible.playbook.included_file import IncludedFile
from ansible.playbook.play import Play
from ansible.playbook.task import Task
from ansible.plugins.callback.default import CallbackModule as Default

SLOW = 1.0  # seconds from which a task without a change is printed, too
REPEAT_WAITING = 15.0  # seconds between two lines about a task that retries


class StepResult(Protocol):
    """The result of a task, or of an item of its loop, on a host. Its class differs between releases."""

    _host: Host
    _task: Task
    _result: dict[str, object]


class CallbackModule(Default):
    """Prints less than the default callback, and the time; obeys the same options."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "flotta.edge.progress"

    def __init__(self) -> None:
        super().__init__()
        self._run_started = time.monotonic()
        self._task_started = self._run_started
        self._said_waiting = 0.0
        self._steps: dict[str, str] = {}  # by host: changed or ok
        self._task: Task | None = None

    def _quiet(self) -> bool:
        verbosity: int = self._display.verbosity
        return verbosity == 0

    def v2_playbook_on_play_start(self, play: Play) -> None:
        """Print the name of the play."""
        if not self._quiet():
            super().v2_playbook_on_play_start(play)
            return
        self._finish_task()
        name = play.get_name().strip()
        self._display.display(f"\n{name}", color=constants.COLOR_HIGHLIGHT)

    def v2_playbook_on_task_start(self, task: Task, is_conditional: bool) -> None:
        """Begin a task."""
        self._begin_task(task)
        if not self._quiet():
            super().v2_playbook_on_task_start(task, is_conditional)

    def v2_playbook_on_handler_task_start(self, task: Task) -> None:
        """Begin a handler."""
        self._begin_task(task)
        if not self._quiet():
            super().v2_playbook_on_handler_task_start(task)

    def _begin_task(self, task: Task) -> None:
        self._finish_task()
        self._task = task
        self._task_started = time.monotonic()
        self._said_waiting = self._task_started
        self._steps = {}

    def _finish_task(self) -> None:
        if self._task is None or not self._quiet():
            return
        task, self._task = self._task, None
        seconds = time.monotonic() - self._task_started
        changed = [host for host, what in self._steps.items() if what == "changed"]
        if not changed and (seconds < SLOW or not self._steps):
            return
        name = task.get_name().split(" : ")[-1].strip()
        hosts = ", ".join(changed or self._steps)
        color = constants.COLOR_CHANGED if changed else constants.COLOR_OK
        self._display.display(f"  {name} [{hosts}] {seconds:.1f} s", color=color)

    def v2_runner_on_start(self, host: Host, task: Task) -> None:
        """Print nothing: a task is printed when it ends."""
        if not self._quiet():
            super().v2_runner_on_start(host, task)

    def v2_runner_on_ok(self, result: StepResult) -> None:
        """Note the result, and print what a debug task prints."""
        if not self._quiet():
            super().v2_runner_on_ok(result)
            return
        self._note_step(result, "changed" if result._result.get("changed") else "ok")
        if "results" not in result._result:
            self._show_debug(result)

    def v2_runner_item_on_ok(self, result: StepResult) -> None:
        """Print what an item of a debug task prints."""
        if not self._quiet():
            super().v2_runner_item_on_ok(result)
            return
        self._show_debug(result)

    def _show_debug(self, result: StepResult) -> None:
        """Print the message of a debug task, or its variable with its name."""
        if result._task.action not in constants._ACTION_DEBUG:
            return
        self._clean_results(result._result, result._task.action)
        if "msg" in result._result:
            self._display.display(_printable(str(result._result["msg"])))
        else:
            self._display.display(_printable(self._dump_results(result._result, indent=4)))

    def v2_runner_on_skipped(self, result: StepResult) -> None:
        """Print nothing."""
        if not self._quiet():
            super().v2_runner_on_skipped(result)

    def v2_runner_item_on_skipped(self, result: StepResult) -> None:
        """Print nothing."""
        if not self._quiet():
            super().v2_runner_item_on_skipped(result)

    def v2_playbook_on_include(self, included_file: IncludedFile) -> None:
        """Print nothing."""
        if not self._quiet():
            super().v2_playbook_on_include(included_file)

    def _note_step(self, result: StepResult, what: str) -> None:
        self._steps[result._host.get_name()] = what

    def v2_runner_retry(self, result: StepResult) -> None:
        """Print from time to time which task is retried, and for how long."""
        if not self._quiet():
            super().v2_runner_retry(result)
            return
        now = time.monotonic()
        if now - self._said_waiting < REPEAT_WAITING:
            return
        self._said_waiting = now
        label = result._result.get("_ansible_item_label")
        name = result._task.get_name().split(" : ")[-1].strip()
        about = f": {label}" if label else ""
        self._display.display(
            f"  … {name}{about} [{result._host.get_name()}] {now - self._task_started:.0f} s"
        )

    def v2_runner_on_failed(self, result: StepResult, ignore_errors: bool = False) -> None:
        """Explain a failure; of a loop, each failed item has been explained already."""
        if not self._quiet() or ignore_errors:
            super().v2_runner_on_failed(result, ignore_errors)
            return
        if "results" in result._result:
            return
        self._explain_failure(result)

    def v2_runner_item_on_failed(self, result: StepResult) -> None:
        """Explain the failure of an item."""
        if not self._quiet():
            super().v2_runner_item_on_failed(result)
            return
        self._explain_failure(result)

    def v2_runner_on_unreachable(self, result: StepResult) -> None:
        """Explain why a host is unreachable."""
        if not self._quiet():
            super().v2_runner_on_unreachable(result)
            return
        self._explain_failure(result)

    def _explain_failure(self, result: StepResult) -> None:
        returned = result._result
        self._display.display(
            f"\nFAILED on {result._host.get_name()}: {result._task.get_name()}",
            color=constants.COLOR_ERROR,
        )
        texts = {key: str(returned.get(key) or "").strip() for key in ("msg", "stderr", "stdout")}
        for key, text in texts.items():
            if text and not (key == "stdout" and texts["stderr"]):
                self._display.display(_indented(text), color=constants.COLOR_ERROR)
        for name, label in (("expected", "Expected"), ("advice", "What to do")):
            text = result._task.vars.get(name)
            if text:
                self._display.display(_indented(f"{label}: {text}"), color=constants.COLOR_ERROR)
        self._display.display("")

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        """Print the last task, the recap and the time of the whole run."""
        self._finish_task()
        super().v2_playbook_on_stats(stats)
        self._display.display(f"{time.monotonic() - self._run_started:.0f} seconds")


def _indented(text: str) -> str:
    """Return the printable text with every line indented by four columns."""
    return "\n".join(f"    {line}" for line in _printable(text).split("\n"))


def _printable(text: str) -> str:
    """Return the text without what a terminal would obey: hosts write messages and output.

    flotta.printable_text does the same; the controller may not have it.
    """
    kept = text.replace("\r\n", "\n").replace("\t", "    ")
    return "".join(x if x.isprintable() or x == "\n" else "\N{REPLACEMENT CHARACTER}" for x in kept)
