"""Units that stay outdated although systemd has just read their files.

systemd compares times of files: with a file whose time changes at each look, or one below a mount
that the manager does not see, a unit never counts as up to date. One reload is all that helps.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from flotta.protocol.reasons.workloads import SYSTEMD_FAILURE
from flotta.worker.systemd import UnitState

log = logging.getLogger(__name__)


class Reloads:
    """Has each unit that is outdated read again once, until it was seen up to date."""

    def __init__(self) -> None:
        self._done: set[str] = set()  # workloads
        self._told: set[str] = set()

    def note(self, name: str) -> None:
        """Note that systemd has read the files of a workload's outdated unit."""
        self._done.add(name)

    def judge(self, name: str, unit: UnitState) -> UnitState:
        """Return the state of a unit; one that no reload helps does not count as outdated."""
        if not unit.outdated:
            self._done.discard(name)
            self._told.discard(name)
        if name not in self._done:
            return unit
        if name not in self._told:
            self._told.add(name)
            log.warning(
                "Workload %s: systemd has read its unit and still says that it changed; "
                "`systemctl status` of it says why [%s]",
                name,
                SYSTEMD_FAILURE,
            )
        return replace(unit, outdated=False)
