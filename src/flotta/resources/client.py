"""The client of the resource API, which works with kinds and objects.

Its errors are in `errors`, its connection is in `transport`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Self, TypeVar, cast

from flotta.backoff import Backoff
from flotta.resources.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    NotFound,
    Unreachable,
    raise_error,
)
from flotta.resources.events import build_event, series_patch
from flotta.resources.kinds import EVENT, Kind, ResourceT
from flotta.resources.objects.meta import Manifest, MergePatch, ObjectMeta, Resource
from flotta.resources.transport import JSON, Query, Transport
from flotta.resources.views import name_of, namespace_of

__all__ = [
    "AlreadyExists",
    "ApiError",
    "Client",
    "Conflict",
    "Expired",
    "Forbidden",
    "Invalid",
    "NotFound",
    "Objects",
    "Unreachable",
    "retry_on_conflict",
]
T = TypeVar("T")
Objects = list[ResourceT]  # Client.list hides the name of the type
PAGE_SIZE = 500  # objects in one response to a list
CONFLICT_RETRY = 0.01, 0.7  # first and longest seconds until a conflict is tried again
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class Client:
    """A connection pool to one API server. A kind carries the type of its objects."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @classmethod
    async def connect(cls, kubeconfig: str | None = None, context: str | None = None) -> Self:
        """Return a client for a kubeconfig file, else for the pod's service account.

        `kubeconfig` is a path (default `$KUBECONFIG`), `context` one of the file's contexts
        (default: its current one).
        Raises ValueError with a sentence when there is neither.
        """
        return cls(await Transport.connect(kubeconfig, context))

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def get(
        self, kind: Kind[ResourceT], name: str, namespace: str | None = None
    ) -> ResourceT:
        """Return the object; raises NotFound."""
        return await self._request_object(kind, "GET", kind.path(namespace, name))

    async def get_or_none(
        self, kind: Kind[ResourceT], name: str, namespace: str | None = None
    ) -> ResourceT | None:
        """Return the object, None when it does not exist."""
        try:
            return await self.get(kind, name, namespace)
        except NotFound:
            return None

    async def list(
        self,
        kind: Kind[ResourceT],
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Objects[ResourceT]:
        """Return all objects, page by page, each with apiVersion and kind."""
        items, _ = await self.list_with_version(
            kind, namespace, label_selector=label_selector, field_selector=field_selector
        )
        return items

    async def list_with_version(
        self,
        kind: Kind[ResourceT],
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> tuple[Objects[ResourceT], str]:
        """Return all objects and the resourceVersion from which a watch continues."""
        pages = self.pages(
            kind, namespace, label_selector=label_selector, field_selector=field_selector
        )
        found = [page async for page in pages]
        return [item for items, _version in found for item in items], found[-1][1]

    async def pages(
        self,
        kind: Kind[ResourceT],
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> AsyncIterator[tuple[Objects[ResourceT], str]]:
        """Yield all objects, a page at a time, each page with the resourceVersion of all."""
        query = {
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "limit": PAGE_SIZE,
        }
        while True:
            page = await self._request_json("GET", kind.path(namespace), query)
            yield (
                [_named(kind, item) for item in page["items"]],
                page["metadata"]["resourceVersion"],
            )
            token = page["metadata"].get("continue")
            if not token:
                return
            query["continue"] = token

    async def create(
        self, kind: Kind[ResourceT], obj: ResourceT, *, dry_run: bool = False
    ) -> ResourceT:
        """Create the object and return it as stored; raises AlreadyExists.

        A dry run is checked and answered like a write, and writes nothing; so elsewhere.
        """
        path = kind.path(namespace_of(obj) or None)
        body = _named(kind, obj)
        return await self._request_object(kind, "POST", path, _dry(dry_run), body)

    async def replace(
        self,
        kind: Kind[ResourceT],
        obj: ResourceT,
        subresource: str | None = None,
        *,
        dry_run: bool = False,
    ) -> ResourceT:
        """Replace the object; raises Conflict when it changed since it was read."""
        path = kind.path(namespace_of(obj) or None, name_of(obj), subresource)
        body = _named(kind, obj)
        return await self._request_object(kind, "PUT", path, _dry(dry_run), body)

    async def merge_patch(
        self,
        kind: Kind[ResourceT],
        name: str,
        namespace: str | None,
        patch: MergePatch,
        subresource: str | None = None,
        *,
        dry_run: bool = False,
    ) -> ResourceT:
        """Patch by RFC 7396.

        Put `metadata.resourceVersion` into the patch to get Conflict on a stale read.
        """
        path = kind.path(namespace, name, subresource)
        return await self._request_object(
            kind, "PATCH", path, _dry(dry_run), patch, content_type=MERGE_PATCH
        )

    async def json_patch(
        self,
        kind: Kind[ResourceT],
        name: str,
        namespace: str | None,
        operations: Sequence[Manifest],
        subresource: str | None = None,
    ) -> ResourceT:
        """Patch by RFC 6902; a failed `test` operation raises Invalid."""
        path = kind.path(namespace, name, subresource)
        return await self._request_object(
            kind, "PATCH", path, body=operations, content_type=JSON_PATCH
        )

    async def apply(
        self,
        kind: Kind[ResourceT],
        obj: ResourceT,
        field_manager: str,
        *,
        force: bool = True,
        dry_run: bool = False,
    ) -> ResourceT:
        """Server-side apply: create or update the fields named in `obj`."""
        path = kind.path(namespace_of(obj) or None, name_of(obj))
        body = _named(kind, obj)
        force_text = "true" if force else "false"
        query = {"fieldManager": field_manager, "force": force_text, **_dry(dry_run)}
        return await self._request_object(
            kind, "PATCH", path, query, body=body, content_type=APPLY_PATCH
        )

    async def delete(
        self,
        kind: Kind[ResourceT],
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        """Delete an object, only if it has this UID and version where given (else Conflict)."""
        given = {"uid": uid, "resourceVersion": resource_version}
        preconditions = {name: value for name, value in given.items() if value}
        body = {"preconditions": preconditions} if preconditions else {}
        await self._request_json("DELETE", kind.path(namespace, name), body=body)

    async def watch(
        self,
        kind: Kind[ResourceT],
        namespace: str | None = None,
        *,
        resource_version: str,
        timeout_seconds: int = 300,
    ) -> AsyncIterator[tuple[str, ResourceT]]:
        """Yield (ADDED | MODIFIED | DELETED | BOOKMARK, object) after `resource_version`.

        It ends when the server closes the watch. Raises Expired when the version is too old.
        """
        query: Query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": timeout_seconds,
        }
        lines = self._transport.stream_lines(kind.path(namespace), query, timeout_seconds)
        async with contextlib.aclosing(lines):
            async for line in lines:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise_error(event["object"].get("code", 500), event["object"])
                yield event["type"], event["object"]

    async def record_event(
        self,
        involved: Resource,
        *,
        kind: Kind[ResourceT],
        type_: str,
        reason: str,
        message: str,
        component: str,
    ) -> None:
        """Write a core Event about `involved` (an object of `kind`).

        If the same Event exists, its count is increased. `type_` is Normal or Warning, `reason` is
        listed in docs/reference/reasons.md#events.
        """
        event = build_event(involved, kind, type_, reason, message, component)
        try:
            await self.create(EVENT, event)
        except AlreadyExists:
            with contextlib.suppress(NotFound):  # it expired just now, or is not readable yet
                await self._count_repetition(event["metadata"])

    async def read_json(self, path: str, query: Query | None = None) -> Any:
        """Return the JSON at a path that is not an object of a kind, such as `/version`."""
        return await self._request_json("GET", path, query)

    async def read_text(self, path: str, query: Query | None = None) -> str:
        """Return the text at a path, such as the log of a pod."""
        data = await self._transport.read_body("GET", path, query)
        return data.decode(errors="replace")

    async def _count_repetition(self, metadata: ObjectMeta) -> None:
        name, namespace = metadata["name"], metadata["namespace"]
        old = await self.get(EVENT, name, namespace)
        await self.merge_patch(EVENT, name, namespace, series_patch(old))

    async def _request_object(
        self,
        kind: Kind[ResourceT],
        method: str,
        path: str,
        query: Query | None = None,
        body: object = None,
        content_type: str = JSON,
    ) -> ResourceT:
        """Return the object of a response: what the server admits has the type of its kind."""
        obj: ResourceT = await self._request_json(method, path, query, body, content_type)
        return obj

    async def _request_json(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: object = None,
        content_type: str = JSON,
    ) -> Any:
        return json.loads(await self._transport.read_body(method, path, query, body, content_type))


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def _named(kind: Kind[ResourceT], obj: ResourceT) -> ResourceT:
    """Return the object with apiVersion and kind, which lists and our own objects leave out."""
    return cast("ResourceT", {"apiVersion": kind.api_version, "kind": kind.kind, **obj})


async def retry_on_conflict(attempt: Callable[[], Awaitable[T]], tries: int = 12) -> T:
    """Await `attempt()` again, after a pause, while it raises Conflict.

    `attempt` must read the object again each time.

    The pauses grow to half a second, about three seconds in all: beside a busy writer every second
    attempt fails, but hardly ever twelve in a row.
    """
    backoff = Backoff(*CONFLICT_RETRY)
    for _ in range(tries - 1):
        try:
            return await attempt()
        except Conflict:
            await asyncio.sleep(backoff.next())
    return await attempt()
