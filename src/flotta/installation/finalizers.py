"""Finalizers of ours on objects that are being deleted while no operator is there to answer them."""

from __future__ import annotations

from ..resources.client import ApiError, NotFound
from ..resources.finalizers import DEVICE_FINALIZER, LEGACY_FINALIZERS
from ..resources.kinds import Kind
from ..storage.claims import FINALIZER as BUCKET
from .apply import Applier
from .errors import explained

OURS = LEGACY_FINALIZERS | {DEVICE_FINALIZER, BUCKET}


async def release(applier: Applier, kind: Kind) -> int:
    """Let the objects of a kind go that are being deleted; returns how many still wait for others."""
    waiting = 0
    for obj in await applier.listed(kind):
        metadata = obj["metadata"]
        if not metadata.get("deletionTimestamp"):
            continue
        kept = [item for item in metadata.get("finalizers") or [] if item not in OURS]
        waiting += bool(kept)
        if kept == metadata.get("finalizers"):
            continue
        patch = {"metadata": {"finalizers": kept, "resourceVersion": metadata["resourceVersion"]}}
        try:
            await applier.client.merge_patch(
                kind, metadata["name"], metadata.get("namespace"), patch
            )
        except NotFound:
            continue
        except ApiError as error:
            if error.status != 409:  # it changed in between; the next look sees it again
                raise explained(error, f"{kind.kind} {metadata['name']}") from error
    return waiting
