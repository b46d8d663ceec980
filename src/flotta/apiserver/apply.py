"""Server-side apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flotta.apiserver.bodies import Decoded, decode_yaml
from flotta.apiserver.patch import merge_patch
from flotta.apiserver.writes import Change, Outcome, create, update

if TYPE_CHECKING:
    from flotta.apiserver.options import WriteOptions
    from flotta.apiserver.writes import Objects, Place


async def apply(objects: Objects, place: Place, body: bytes, options: WriteOptions) -> Outcome:
    patch = decode_yaml(body)
    if objects.store.newest(place.key) is None:
        patch.setdefault("metadata", {}).setdefault("name", place.name)
        return await create(objects, place, Decoded(patch), options, operation="Apply")
    return await update(
        objects, place, lambda old: Change(merge_patch(old, patch), patch=True), options
    )
