"""What the screen says: one state in large letters, and what belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from flotta import __version__
from flotta.live.boot_report import BootReport, StateReport
from flotta.live.console.network import Interface
from flotta.protocol.joining import JoiningStatus, Phase
from flotta.protocol.reasons.reason import NOTHING, Refusal
from flotta.protocol.reasons.refusals import OTHER_KEY
from flotta.protocol.reasons.table import find_rows, plain_text


class State(Enum):
    """The states, in words; the first of them stand there in large letters."""

    NO_SETTINGS = "NO SETTINGS"
    NO_NETWORK = "NO NETWORK"
    CONNECTING = "CONNECTING"
    WAITING = "WAITING FOR APPROVAL"
    REFUSED = "REFUSED"
    JOINED = "IN THE FLEET"

    @property
    def large(self) -> str:
        """What fits into a line of large letters."""
        return "WAITING" if self is State.WAITING else self.value


class Warned(NamedTuple):
    """A warning as it is shown."""

    reason: str
    message: str


@dataclass(frozen=True)
class View:
    """Everything that a screen is made from; two that are equal give one screen."""

    state: State
    device_id: str
    server: str
    interfaces: tuple[Interface, ...]
    code: str
    reason: str
    message: str
    remedy: str
    forgets_key: bool  # it was refused because it keeps no key
    state_remedy: str  # what to do about the state that has the key of the device
    warnings: tuple[Warned, ...]
    release: str = __version__


def make_view(
    report: BootReport | None, joining: JoiningStatus | None, interfaces: Sequence[Interface]
) -> View:
    """Return what to show of the boot, of joining and of the network."""
    boot = report or BootReport()
    state = _find_state(report, joining, interfaces)
    reason = joining.reason if joining and state is not State.JOINED else ""
    return View(
        state=state,
        device_id=boot.device_id or (joining.device_id if joining else ""),
        server=(joining.server if joining else "") or boot.server,
        interfaces=tuple(interfaces),
        code=joining.code if joining else "",
        reason=reason,
        message=joining.message if joining and reason else "",
        remedy=find_remedy(reason),
        forgets_key=reason == OTHER_KEY and boot.state.kind == "Overlay" and not boot.state.present,
        state_remedy=_find_state_remedy(boot.state) if reason == OTHER_KEY else "",
        warnings=tuple(
            Warned(one.reason, one.message) for one in boot.warnings if one.reason != "NoSettings"
        ),
    )


def find_remedy(reason: str) -> str:
    """Return what to do about a reason, for a terminal; empty where there is nothing."""
    rows = find_rows(reason, Refusal) or find_rows(reason)
    remedy = plain_text(rows[0].remedy) if rows else ""
    return "" if remedy == NOTHING else remedy.replace("`", "")


def _find_state_remedy(state: StateReport) -> str:
    """Return what brings a state back that could not be used; empty where that is not the case."""
    return find_remedy(state.reason) if state.kind == "Overlay" and state.present else ""


def _find_state(
    report: BootReport | None, joining: JoiningStatus | None, interfaces: Sequence[Interface]
) -> State:
    if joining is None and report is not None and not report.settings:
        return State.NO_SETTINGS
    if joining is not None and joining.phase is Phase.REFUSED:
        return State.REFUSED
    if not any(interface.addresses for interface in interfaces) and not _answers(
        joining, interfaces
    ):
        return State.NO_NETWORK
    if joining is None:
        return State.CONNECTING
    return {
        Phase.CONNECTING: State.CONNECTING,
        Phase.WAITING: State.WAITING,
        Phase.JOINED: State.JOINED,
    }[joining.phase]


def _answers(joining: JoiningStatus | None, interfaces: Sequence[Interface]) -> bool:
    """Tell whether the control plane was reached, so that some address is not known here."""
    reached = joining is not None and joining.phase in (Phase.WAITING, Phase.JOINED)
    return reached and any(interface.connected for interface in interfaces)
