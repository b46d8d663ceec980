"""Says whom the end of a rollover would shut out, and what to do about each of them."""

from __future__ import annotations

from collections.abc import Sequence

from flotta.edge_api.backends.authority_store import LeftBehind
from flotta.printable_text import printable

NAMED = 50  # devices of a kind in an answer


def describe_left_behind(left: LeftBehind) -> str:
    """Return sentences for an administrator, the last of which says how to give all of them up."""
    said = []
    if left.devices:
        said.append(
            f"{_count(left.devices, 'was', 'were')} not heard from with a certificate of the new "
            f"CA: {_name(left.devices)}. Wait for them, or remove them"
        )
    if left.quarantined:
        said.append(
            f"{_count(left.quarantined, 'is', 'are')} quarantined and cannot renew: "
            f"{_name(left.quarantined)}. Release or remove them"
        )
    if left.leaving:
        said.append(
            f"{_count(left.leaving, 'is', 'are')} being removed: {_name(left.leaving)}. Wait for it"
        )
    if left.unwiped:
        said.append(
            f"{_count(left.unwiped, 'was', 'were')} deleted and did not acknowledge the wipe: "
            f"{_name(left.unwiped)}. Without the former CA they cannot be wiped any more. Wait for "
            "them, or delete their tombstones"
        )
    if left.unknown:
        said.append(
            f"{_count(left.unknown, 'is', 'are')} unknown to this control plane: "
            f"{_name(left.unknown)}. Adopt them and wait, or delete their records"
        )
    if left.is_uncounted:
        said.append(
            "The data store does not tell which devices still need the former CA. A device renews "
            "when it is online: wait until each was heard from since the rollover"
        )
    return ". ".join([*said, "To give all of them up: flotta certificates finish-ca --force"])


def name_left_behind(left: LeftBehind) -> str:
    """Return the sentence that records whom a forced end has shut out."""
    every = (left.devices, left.quarantined, left.leaving, left.unwiped, left.unknown)
    names = sorted({name for group in every for name in group})
    if left.is_uncounted:
        names.append("all that were not heard from since the rollover")
    return f"Given up: {_name(names)}."


def _count(devices: Sequence[str], one: str, more: str) -> str:
    return f"1 device {one}" if len(devices) == 1 else f"{len(devices)} devices {more}"


def _name(devices: Sequence[str]) -> str:
    more = f" and {len(devices) - NAMED} more" if len(devices) > NAMED else ""
    return ", ".join(printable(device) for device in devices[:NAMED]) + more
