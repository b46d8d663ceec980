"""Which decommissioned devices have acknowledged their wipe, noted at their tombstones.

The data of a tombstone that grants a wipe is immutable; the note is an annotation.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime

from flotta.fleet.tombstones import ACKNOWLEDGED_ANNOTATION, read_tombstone
from flotta.identity.holder import Peer
from flotta.resources.changes import change_metadata
from flotta.resources.client import ApiError, Client
from flotta.resources.kinds import CONFIG_MAP
from flotta.rfc3339 import format_time

log = logging.getLogger(__name__)


async def note_acknowledgement(
    client: Client, namespace: str, names: Iterable[str], peer: Peer
) -> None:
    """Note at the tombstones of these names that the device was wiped, if they are about it.

    What cannot be written is logged: the wipe does not depend on it.
    """
    for name in names:
        try:
            found = await client.get_or_none(CONFIG_MAP, name, namespace)
            tombstone = read_tombstone(found)
            if tombstone is None or not (tombstone.granted and tombstone.holds_for(peer)):
                continue
            if not tombstone.acknowledged:
                time = format_time(datetime.now(UTC))
                patch = change_metadata({"annotations": {ACKNOWLEDGED_ANNOTATION: time}})
                await client.merge_patch(CONFIG_MAP, name, namespace, patch)
        except ApiError as error:
            log.warning("That %s was wiped could not be noted: %s", peer.device_id, error)
