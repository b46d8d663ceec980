"""Labels that a device brings along, such as those of the ISO that it booted.

Whoever holds the medium chooses them, so a device gets only those whose keys its batch lists
(docs/reference/control-plane.md#labels-that-devices-bring-along).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import NamedTuple

from flotta.edge_api.batches import Batch
from flotta.fleet.batch_specification import is_label_value
from flotta.fleet.registration_batches import MAX_LABELS
from flotta.own_names import EDGE_API
from flotta.printable_text import printable
from flotta.protocol.reasons.events import LABELS_NOT_ALLOWED
from flotta.resources.client import ApiError, Client
from flotta.resources.kinds import SIGNED_REQUEST
from flotta.resources.objects.devices import SignedRequest

NOT_LISTED = "not in its deviceLabels"
NO_VALUE = "no value of a label (at most 63 letters, digits, '-', '_' and '.')"
SURPLUS = f"more than {MAX_LABELS} labels"
NAMED = 10  # keys that an Event names for each of these causes
MAX_KEY = 64  # characters of each
log = logging.getLogger(__name__)


class BroughtLabels(NamedTuple):
    """What becomes of the labels of a device."""

    taken: Mapping[str, str]
    ignored: Mapping[str, str]  # causes by key, sorted


def sort_labels(batch: Batch, given: Mapping[str, str] | None) -> BroughtLabels:
    """Return which labels of a device its batch lets it have beside those that the batch gives."""
    listed, own = batch.specification.device_labels, batch.specification.labels
    room = MAX_LABELS - len(own)
    taken: dict[str, str] = {}
    ignored = {}
    for key, value in sorted((given or {}).items()):
        if key in own:
            continue  # that of the batch wins
        if key not in listed:
            ignored[key] = NOT_LISTED
        elif not is_label_value(value):
            ignored[key] = NO_VALUE
        elif len(taken) >= room:
            ignored[key] = SURPLUS
        else:
            taken[key] = value
    return BroughtLabels(taken, ignored)


async def report_ignored(
    client: Client, batch: Batch, request: SignedRequest, ignored: Mapping[str, str]
) -> None:
    """Write an Event about labels that a device does not get; none for none."""
    if not ignored:
        return
    causes = [_describe(cause, ignored) for cause in dict.fromkeys(ignored.values())]
    try:
        await client.record_event(
            request,
            kind=SIGNED_REQUEST,
            type_="Normal",
            reason=LABELS_NOT_ALLOWED,
            message="The device brings labels along that it does not get with registration batch "
            f"{batch.name}: {'; '.join(causes)}",
            component=EDGE_API,
        )
    except ApiError as error:
        log.warning("An Event about labels of a device could not be written: %s", error)


def _describe(cause: str, ignored: Mapping[str, str]) -> str:
    names = [printable(key, MAX_KEY) for key, why in ignored.items() if why == cause]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{cause}: {', '.join(names[:NAMED])}{more}"
