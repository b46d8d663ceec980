"""The time of the control plane, for devices whose own clock may be wrong.

The control plane issues and checks certificates. Its time, authenticated by TLS, is read from the
Date header of its responses. Before the first response the local clock is used, but never a time
before the latest moment that is known to have passed (docs/reference/device.md#time).
"""

from __future__ import annotations

import email.utils
import logging
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flotta.durable_files import read_bounded, write_atomically
from flotta.protocol.reasons.device_programs import CLOCK_DIFFERS, NOT_STORED

log = logging.getLogger(__name__)

SAVE_INTERVAL = timedelta(days=1)  # between two writes, because flash memory wears out
MAX_SIZE = 100  # bytes of the file
TOLERATED_DIFFERENCE = timedelta(minutes=5)  # of the local clock, without a warning


class Clock:
    """Local time, corrected by the server's."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._remembered = _read(file)
        self._floor = self._remembered
        self._anchor: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """Return the best known time, in UTC."""
        if self._anchor is not None:
            moment, at = self._anchor
            return moment + timedelta(seconds=time.monotonic() - at)
        return max(datetime.now(UTC), self._floor)

    def raise_floor(self, moment: datetime) -> None:
        """Note a moment that has certainly passed, such as the beginning of a certificate."""
        self._floor = max(self._floor, moment)

    def learn_time(self, date: str) -> None:
        """Use the Date header of the verified server; a value that is not a date is ignored."""
        try:
            moment = email.utils.parsedate_to_datetime(date)
        except ValueError:
            return
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if self._anchor is None:
            self._warn_about_local_clock(moment)
        self._anchor = (moment, time.monotonic())
        self._remember(moment)

    def _warn_about_local_clock(self, moment: datetime) -> None:
        local = datetime.now(UTC)
        if abs(local - moment) > TOLERATED_DIFFERENCE:
            log.warning(
                "This device's clock says %s, the control plane's %s; certificates are checked "
                "against the latter. Check the time synchronisation of this device. [%s]",
                local.isoformat(timespec="seconds"),
                moment.isoformat(timespec="seconds"),
                CLOCK_DIFFERS,
            )

    def _remember(self, moment: datetime) -> None:
        if moment - self._remembered < SAVE_INTERVAL:
            return
        self._remembered = moment
        try:
            write_atomically(self._file, f"{moment.isoformat()}\n".encode(), 0o644)
        except OSError as error:
            log.warning(
                "The time could not be stored in %s: %s [%s]", self._file, error, NOT_STORED
            )


def _read(file: Path) -> datetime:
    try:
        text = read_bounded(file, MAX_SIZE).decode()
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (OSError, ValueError, OverflowError):
        return datetime.fromtimestamp(0, UTC)
