"""Collections: rules of resourceVersion, pages, and the parts of a list response.

"Retrieving large results sets in chunks" and "Semantics for get and list" in Kubernetes' API
concepts; docs/reference/resource-api.md#requests.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flotta.apiserver.errors import (
    StatusError,
    bad_request,
    expired,
    forbidden_value,
    invalid_options,
    unsupported,
    wrong_type,
)
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.objects.options import parse_integer, parse_version
from flotta.apiserver.objects.selectors import (
    FieldSelector,
    LabelSelector,
    parse_field_selector,
    parse_label_selector,
)
from flotta.apiserver.registry import ServedResource
from flotta.apiserver.storage.store import Store
from flotta.apiserver.storage.watch_cache import ObjectKey, ObjectRecord

FUTURE_WAIT = 3.0  # seconds for a version that does not exist yet
BAD_TOKEN = ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError
MATCHES = ("Exact", "NotOlderThan", "")
TOO_OLD_PAGE = (
    "the state that this list shows is no longer known: list again, or use the continue token of "
    "this response; the next page then shows a newer state than the pages before"
)


@dataclass(frozen=True)
class Selection:
    """Which objects of a resource are requested; `namespace` None means all namespaces."""

    resource: ServedResource
    namespace: str | None
    labels: LabelSelector
    fields: FieldSelector

    def matches(self, record: ObjectRecord) -> bool:
        """Tell whether an object is selected."""
        if self.namespace is not None and record.key.namespace != self.namespace:
            return False
        return self.labels.matches(record.labels) and self.fields.matches(record.load)


def parse_selection(
    resource: ServedResource, namespace: str | None, query: Mapping[str, str]
) -> Selection:
    """Read labelSelector and fieldSelector."""
    strict = not resource.custom and not resource.field_labels
    return Selection(
        resource,
        namespace,
        parse_label_selector(query.get("labelSelector", "")),
        parse_field_selector(
            query.get("fieldSelector", ""), resource.field_labels, strict_message=strict
        ),
    )


@dataclass(frozen=True)
class Page:
    """A page of a list: records, their version, and how many follow."""

    records: Sequence[ObjectRecord]
    version: int
    next_token: str = ""
    remaining: int | None = None

    def metadata(self, *, custom: bool) -> JsonObject:
        """Return the ListMeta; custom resources always show `continue`."""
        meta: JsonObject = {}
        if custom or self.next_token:
            meta["continue"] = self.next_token
        if self.remaining is not None:
            meta["remainingItemCount"] = self.remaining
        return {**meta, "resourceVersion": str(self.version)}


@dataclass(frozen=True)
class _PageStart:
    """Where a page starts: after a (namespace, name), at a version (-1: the current one)."""

    version: int
    after: tuple[str, str] | None


async def list_page(store: Store, selection: Selection, query: Mapping[str, str]) -> Page:
    """Respond to a list request."""
    _check_options(query)
    limit = parse_integer(query, "limit") or 0
    parse_integer(query, "timeoutSeconds")
    version = list_version(query)
    if query.get("continue"):
        start = _read_token(query["continue"])
        return _make_page(store, selection, start, limit)
    await wait_for_version(store, version)
    match = query.get("resourceVersionMatch", "")
    # A version with a limit means exactly that state, so that pages fit together; without a
    # limit, it means that state or a newer one.
    exact = match == "Exact" or (version and limit > 0 and match != "NotOlderThan")
    if version == 0 and match != "Exact":
        # Any version is good: kube-apiserver takes the whole list from its cache, without pages.
        limit = 0
    return _make_page(
        store, selection, _PageStart(version if exact and version else -1, None), limit
    )


def _check_options(query: Mapping[str, str]) -> None:
    match = query.get("resourceVersionMatch", "")
    version = query.get("resourceVersion", "")
    if "sendInitialEvents" in query:
        text = "sendInitialEvents is forbidden for list"
        raise invalid_options("ListOptions", forbidden_value("sendInitialEvents", text))
    if query.get("continue") and version not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")
    if not match:
        return
    if match not in MATCHES:
        cause = unsupported("resourceVersionMatch", f'"{match}"', MATCHES)
        raise invalid_options("ListOptions", cause)
    if not version:
        text = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        raise invalid_options("ListOptions", forbidden_value("resourceVersionMatch", text))
    if match == "Exact" and version == "0":
        text = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        raise invalid_options("ListOptions", forbidden_value("resourceVersionMatch", text))


def list_version(query: Mapping[str, str]) -> int | None:
    """Return the resourceVersion of a list request; None when absent."""
    text = query.get("resourceVersion", "")
    if not text:
        return None
    version = parse_version(text)
    if version is None:
        raise wrong_type("resourceVersion", text, "a whole number")
    return version


async def wait_for_version(store: Store, version: int | None) -> None:
    """Wait a moment for a version that does not exist yet, then raise a 504 StatusError."""
    if version is None or version <= store.version:
        return
    await asyncio.sleep(FUTURE_WAIT)
    if version > store.version:
        raise StatusError(
            504,
            f"Timeout: Too large resource version: {version}, current: {store.version}",
            "Timeout",
            {
                "causes": [
                    {
                        "reason": "ResourceVersionTooLarge",
                        "message": "Too large resource version",
                    }
                ],
                "retryAfterSeconds": 1,
            },
            headers={"Retry-After": "1"},
        )


def _make_page(store: Store, selection: Selection, start: _PageStart, limit: int) -> Page:
    version = store.version if start.version < 0 else start.version
    records = _find_records(store, selection, version)
    if records is None:
        raise _too_old_error(start)
    if start.after is not None:
        after = ObjectKey("", *start.after).sort_key
        records = [record for record in records if record.key.sort_key > after]
    found = [record for record in records if selection.matches(record)]
    if limit <= 0 or len(found) <= limit:
        return Page(found, version)
    page = found[:limit]
    # Omitted with a selector (ListMeta.remainingItemCount in Kubernetes' API).
    remaining = (
        None if selection.labels.requirements or selection.fields.terms else len(found) - limit
    )
    return Page(page, version, _token_after(version, page[-1].key), remaining)


def _find_records(store: Store, selection: Selection, version: int) -> list[ObjectRecord] | None:
    resource, namespace = selection.resource.qualified, selection.namespace
    name = selection.fields.required_value(("metadata", "name"))
    if version != store.version:
        return store.list_at(resource, namespace, version)
    if name is not None and namespace is not None:
        record = store.get(ObjectKey(resource, namespace, name))
        return [record] if record else []
    return store.list_records(resource, namespace)


def _too_old_error(start: _PageStart) -> StatusError:
    if start.after is None:
        return expired("The resourceVersion for the provided list is too old.")
    return expired(TOO_OLD_PAGE, _make_token(-1, start.after))


def _token_after(version: int, last: ObjectKey) -> str:
    return _make_token(version, (last.namespace, last.name))


def _make_token(version: int, after: tuple[str, str]) -> str:
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": "/".join(after)})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_token(token: str) -> _PageStart:
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        content = json.loads(text)
        namespace, _, name = content["start"].partition("/")
        return _PageStart(int(content["rv"]), (namespace, name))
    except BAD_TOKEN as error:
        raise bad_request("continue is not a token from a list of this server") from error
