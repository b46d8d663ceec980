"""Who may have a certificate of another CA than the one that issues."""

from __future__ import annotations

from collections.abc import Iterable

from flotta.edge_api.backends.authority_store import LeftBehind
from flotta.fleet.joining import was_heard
from flotta.fleet.quarantine import is_quarantined
from flotta.fleet.tombstones import RECORD_LABEL, read_tombstone
from flotta.fleet.unknown_devices import read_record
from flotta.resources.client import Client
from flotta.resources.kinds import CONFIG_MAP, EDGE_DEVICE
from flotta.resources.objects.core import ConfigMap
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.views import is_being_deleted, name_of, namespace_of, status_of


class LeftBehindSearch:
    """Looks through all EdgeDevices, and the records of one namespace."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    async def find(self, authority: str) -> LeftBehind:
        """Return who may need another CA than this one (its key identifier in hex), as of now."""
        devices = await self._client.list(EDGE_DEVICE)
        records = await self._client.list(CONFIG_MAP, self._namespace, label_selector=RECORD_LABEL)
        return find_left_behind(authority, devices, records)


def find_left_behind(
    authority: str, devices: Iterable[EdgeDevice], records: Iterable[ConfigMap]
) -> LeftBehind:
    """Return who is not known to have a certificate of this CA (its key identifier in hex).

    `records` are the control plane's tombstones and unknown devices.
    """
    groups: dict[str, list[str]] = {"devices": [], "quarantined": [], "leaving": []}
    for device in devices:
        used = status_of(device).get("certificate", {}).get("authority", "")
        if was_heard(device) and used != authority:
            groups[_group_of(device)].append(f"{namespace_of(device)}/{name_of(device)}")
    unwiped, unknown = set(), set()
    for record in records:
        stone, stranger = read_tombstone(record), read_record(record)
        if stone and stone.granted and not stone.acknowledged and stone.authority != authority:
            unwiped.add(f"{stone.namespace}/{stone.name}")
        elif stranger and stranger.authority != authority:
            unknown.add(f"{stranger.namespace}/{stranger.name}")
    # A device that is just leaving has its tombstone already.
    unwiped.difference_update(groups["leaving"])
    return LeftBehind(
        devices=tuple(sorted(groups["devices"])),
        quarantined=tuple(sorted(groups["quarantined"])),
        leaving=tuple(sorted(groups["leaving"])),
        unwiped=tuple(sorted(unwiped)),
        unknown=tuple(sorted(unknown)),
    )


def _group_of(device: EdgeDevice) -> str:
    if is_being_deleted(device):
        return "leaving"
    return "quarantined" if is_quarantined(device) else "devices"
