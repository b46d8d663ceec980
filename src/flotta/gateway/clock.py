"""The time as the fleet sees it, for devices whose own clock cannot be relied on.

Certificates are issued and judged by the control plane. Its time, authenticated by TLS, is learned
from the Date header of its responses; before the first one the local clock counts, but never less
than the latest moment that is known to have passed.
"""

from __future__ import annotations

import email.utils
import logging
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flotta.durable_files import write_atomically

log = logging.getLogger(__name__)

SAVE_INTERVAL = timedelta(days=1)  # flash memory wears out
TOLERATED_DIFFERENCE = timedelta(minutes=5)  # of the local clock, without a warning


class Clock:
    """Local time, corrected by what the server says."""

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
        """Take note of a moment that has certainly passed, such as the issue of a certificate."""
        self._floor = max(self._floor, moment)

    def learn_time(self, date: str) -> None:
        """Take over the Date header of the verified server; one that is not a date is ignored."""
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
                "This device's clock says %s, the control plane's %s; certificates are judged by "
                "the latter. Check time synchronisation.",
                local.isoformat(timespec="seconds"),
                moment.isoformat(timespec="seconds"),
            )

    def _remember(self, moment: datetime) -> None:
        if moment - self._remembered < SAVE_INTERVAL:
            return
        self._remembered = moment
        try:
            write_atomically(self._file, f"{moment.isoformat()}\n".encode(), 0o644)
        except OSError as error:
            log.warning("The time could not be remembered in %s: %s", self._file, error)


def _read(file: Path) -> datetime:
    try:
        return datetime.fromisoformat(file.read_text().strip()).astimezone(UTC)
    except (OSError, ValueError):
        return datetime.fromtimestamp(0, UTC)
