"""Stops all pods and lets them start again, also while the disk cannot be written."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from flotta.protocol.reasons.device_programs import STATE_NOT_STORED
from flotta.protocol.reasons.refusals import DEVICE_QUARANTINED
from flotta.worker.workloads.interruptions import Interruptions
from flotta.worker.workloads.retry import DISK_RETRY
from flotta.worker.workloads.suspension import Suspension

log = logging.getLogger(__name__)


class SuspensionSwitch:
    """Changes the suspension to what is wanted, and tries again while that is not possible.

    `list_running` returns the pods that a suspension interrupts; `on_change` is called when pods
    are to be stopped, or may start again.
    """

    def __init__(
        self,
        suspension: Suspension,
        interruptions: Interruptions,
        list_running: Callable[[], Iterable[str]],
        on_change: Callable[[], None],
    ) -> None:
        self._suspension = suspension
        self._interruptions = interruptions
        self._list_running = list_running
        self._on_change = on_change
        self._stopped = suspension.active  # what is wanted
        self._retry: asyncio.TimerHandle | None = None

    def turn(self, *, stopped: bool) -> None:
        """Stop every pod, or let them start."""
        self._stopped = stopped
        self._change()

    def drop(self) -> None:
        """End the suspension in memory: the pods are removed, and the file with them."""
        self._stopped = self._suspension.active = False

    def _change(self) -> None:
        before = self._suspension.active
        if self._retry is not None:
            self._retry.cancel()
        try:
            self._carry_out()
        except OSError as error:
            log.error(
                "%s cannot be changed: %s [%s]", self._suspension.path, error, STATE_NOT_STORED
            )
            self._retry = asyncio.get_running_loop().call_later(DISK_RETRY, self._change)
        if before == self._suspension.active:
            return
        if self._stopped:
            log.warning("The device is quarantined: all pods stop [%s]", DEVICE_QUARANTINED)
        else:
            log.info("The device is released: its pods start again")
        self._on_change()

    def _carry_out(self) -> None:
        if self._stopped:
            self._suspension.begin(self._list_running())
            return
        for name in self._suspension.interrupted:
            self._interruptions.note(name)
        self._suspension.end()
