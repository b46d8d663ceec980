"""Table and PartialObjectMetadata (meta.k8s.io), the forms that `kubectl get` requests.

"Receiving resources as Tables" in Kubernetes' API concepts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flotta.apiserver.errors import StatusError, bad_request
from flotta.apiserver.http.negotiation import Media
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.registry import ServedResource
from flotta.printable_text import printable

INCLUDES = ("", "None", "Metadata", "Object")


def check_include(include: str) -> None:
    """Refuse an unknown value of includeObject with a 400."""
    if include not in INCLUDES:
        raise bad_request(
            f'unrecognized includeObject value: "{include}", use None, Metadata or Object'
        )


def make_table(
    resource: ServedResource,
    objects: Iterable[JsonObject],
    metadata: JsonObject,
    media: Media,
    include: str = "",
    *,
    columns: bool = True,
) -> JsonObject:
    """Return a Table of objects.

    Without `columns` the definitions are null: only the first event of a watch has them.
    """
    version = f"meta.k8s.io/{media.version}"
    return {
        "kind": "Table",
        "apiVersion": version,
        "metadata": metadata,
        "columnDefinitions": _column_definitions(resource) if columns else None,
        "rows": [_make_row(resource, obj, version, include) for obj in objects],
    }


def _column_definitions(resource: ServedResource) -> list[JsonObject]:
    return [
        {
            "name": column.name,
            "type": column.type,
            "format": column.format,
            "description": column.description,
            "priority": column.priority,
        }
        for column in resource.columns
    ]


def _make_row(resource: ServedResource, obj: JsonObject, version: str, include: str) -> JsonObject:
    return {
        "cells": [_printable_cell(column.cell(obj)) for column in resource.columns],
        "object": _row_object(obj, version, include),
    }


def _printable_cell(cell: Any) -> Any:
    """Return a cell that no terminal obeys: kubectl 1.20 prints what it gets (CVE-2021-25743)."""
    return printable(cell, len(cell)) if isinstance(cell, str) else cell


def _row_object(obj: JsonObject, version: str, include: str) -> JsonObject | None:
    if include == "None":
        return None
    return obj if include == "Object" else make_partial(obj, version)


def make_bookmark_table(
    resource: ServedResource, obj: JsonObject, media: Media, *, columns: bool
) -> JsonObject:
    """Return a bookmark as a Table: a row of empty cells whose object has the version."""
    version = f"meta.k8s.io/{media.version}"
    cells: list[Any] = ["", *([None] * (len(resource.columns) - 1))]
    return {
        "kind": "Table",
        "apiVersion": version,
        "metadata": {"resourceVersion": obj["metadata"]["resourceVersion"]},
        "columnDefinitions": _column_definitions(resource) if columns else None,
        "rows": [{"cells": cells, "object": make_partial(obj, version)}],
    }


def make_partial(obj: JsonObject, version: str = "meta.k8s.io/v1") -> JsonObject:
    """Return only the metadata of an object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": version, "metadata": obj["metadata"]}


def make_partial_list(
    objects: Iterable[JsonObject], metadata: JsonObject, media: Media
) -> JsonObject:
    """Return a list with only the metadata of objects."""
    version = f"meta.k8s.io/{media.version}"
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": version,
        "metadata": metadata,
        "items": [make_partial(obj, version) for obj in objects],
    }


def partial_list_error(resource: ServedResource) -> StatusError:
    """Return the 406 for a list that is requested in the form of a single object."""
    return StatusError(
        406,
        "you requested PartialObjectMetadata, but the requested object is a list "
        f"({resource.list_kind})",
        "NotAcceptable",
    )
