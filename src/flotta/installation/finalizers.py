"""Finalizers of ours on objects that are being deleted while no operator is there to answer them."""

from __future__ import annotations

from flotta.installation.apply import Applier
from flotta.installation.errors import describe_error
from flotta.resources.client import ApiError, Conflict, NotFound
from flotta.resources.finalizers import BUCKET_FINALIZER, DEVICE_FINALIZER, LEGACY_FINALIZERS
from flotta.resources.kinds import Kind

OWN_FINALIZERS = LEGACY_FINALIZERS | {DEVICE_FINALIZER, BUCKET_FINALIZER}


async def release_objects(applier: Applier, kind: Kind) -> None:
    """Remove our finalizers from the objects of a kind that are being deleted."""
    for obj in await applier.list_objects(kind):
        metadata = obj["metadata"]
        if not metadata.get("deletionTimestamp"):
            continue
        kept = [item for item in metadata.get("finalizers") or [] if item not in OWN_FINALIZERS]
        if kept == metadata.get("finalizers"):
            continue
        patch = {"metadata": {"finalizers": kept, "resourceVersion": metadata["resourceVersion"]}}
        try:
            await applier.client.merge_patch(
                kind, metadata["name"], metadata.get("namespace"), patch
            )
        except (NotFound, Conflict):
            continue  # gone, or changed in between: the next round sees it again
        except ApiError as error:
            raise describe_error(error, f"{kind.kind} {metadata['name']}") from error
