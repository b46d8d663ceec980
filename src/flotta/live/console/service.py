"""The service behind the console: looks at three files and the network, and redraws on change."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from flotta.live.boot_report import read_report
from flotta.live.console.network import read_interfaces
from flotta.live.console.screen import render
from flotta.live.console.terminals import draw
from flotta.live.console.view import View, make_view
from flotta.live.places import Places
from flotta.protocol.joining import read_joining

log = logging.getLogger(__name__)

INTERVAL = 1.0  # seconds between two looks; each reads a few small files
RETRY = 30.0  # seconds until a terminal that took nothing is tried again
BROKEN = "The state of this device cannot be shown. journalctl -u flotta-console says why."


def read_view(places: Places) -> View:
    """Return what there is to show now."""
    return make_view(
        read_report(places.report), read_joining(places.joining), read_interfaces(places.root)
    )


def render_now(places: Places) -> str:
    """Return the screen of the present state; it never fails, whatever it reads."""
    try:
        return render(read_view(places))
    except Exception:  # a console that ends tells nobody anything
        log.exception("The screen could not be made")
        return BROKEN


class Console:
    """Shows the state on terminals, and draws when it has changed."""

    def __init__(self, places: Places, outputs: Sequence[Path]) -> None:
        self._places = places
        self._shown: dict[Path, str] = dict.fromkeys(outputs, "")
        self._failed: dict[Path, float] = {}

    def run(self) -> None:
        """Show the state until the process ends."""
        while True:
            self.refresh()
            time.sleep(INTERVAL)

    def refresh(self) -> None:
        """Draw on each terminal that does not show the present state."""
        screen = render_now(self._places)
        now = time.monotonic()
        for output, shown in self._shown.items():
            if shown == screen or now - self._failed.get(output, -RETRY) < RETRY:
                continue
            if draw(output, screen):
                self._shown[output] = screen
                self._failed.pop(output, None)
            else:
                self._failed[output] = now
