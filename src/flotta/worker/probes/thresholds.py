"""When answers in a row change what is thought of a container (Kubernetes' thresholds)."""

from __future__ import annotations

from dataclasses import dataclass

from flotta.worker.probes.probe import Probe


@dataclass
class Tally:
    """Counts equal answers in a row; it starts at zero with each run of a container."""

    probe: Probe
    _passed: bool | None = None
    _in_a_row: int = 0

    def count(self, *, passed: bool) -> bool | None:
        """Return what is decided by this answer and those before it, None for nothing yet."""
        if passed != self._passed:
            self._passed, self._in_a_row = passed, 0
        self._in_a_row += 1
        needed = self.probe.success_threshold if passed else self.probe.failure_threshold
        return passed if self._in_a_row >= needed else None
