# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/installation/finalizers.py: change that.
"""Removal of our finalizers from objects that are being deleted while no operator runs."""

from __future__ import annotations

from ..installation.apply import Applier
from ..installation.errors import describe_error
from ..resources.changes import as_read, change_metadata
from ..resources.client import ApiError, Conflict, NotFound
from ..resources.finalizers import BUCKET_FINALIZER, DEVICE_FINALIZER, LEGACY_FINALIZERS
from ..resources.kinds import Kind
from ..resources.objects.meta import Resource
from ..resources.views import finalizers_of, is_being_deleted, name_of, namespace_of

OWN_FINALIZERS = LEGACY_FINALIZERS | {DEVICE_FINALIZER, BUCKET_FINALIZER}


async def release_objects(applier: Applier, kind: Kind[Resource]) -> None:
    """Remove our finalizers from the objects of a kind that are being deleted.

    Raises InstallationError.
    """
    for obj in await applier.list_objects(kind):
        present = finalizers_of(obj)
        kept = [item for item in present if item not in OWN_FINALIZERS]
        if not is_being_deleted(obj) or kept == present:
            continue
        patch = as_read(change_metadata({"finalizers": kept}), obj)
        try:
            await applier.client.merge_patch(kind, name_of(obj), namespace_of(obj), patch)
        except (NotFound, Conflict):
            continue  # gone, or changed meanwhile: the next round handles it
        except ApiError as error:
            raise describe_error(error, f"{kind.kind} {name_of(obj)}") from error
