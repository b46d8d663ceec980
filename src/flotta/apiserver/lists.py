"""Collections: resourceVersion rules, pages, and the pieces a list answer is made of."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flotta.apiserver.errors import (
    Refusal,
    bad_request,
    expired,
    forbidden_value,
    invalid_options,
    unsupported,
)
from flotta.apiserver.journal import Key
from flotta.apiserver.options import whole_number
from flotta.apiserver.selectors import (
    FieldSelector,
    LabelSelector,
    parse_field_selector,
    parse_label_selector,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flotta.apiserver.journal import Record
    from flotta.apiserver.registry import Resource
    from flotta.apiserver.store import Store

JsonObject = dict[str, Any]

FUTURE_WAIT = 3.0
MATCHES = ("Exact", "NotOlderThan", "")
TOO_OLD_PAGE = (
    "The provided continue parameter is too old to display a consistent list result. You can start "
    "a new list without the continue parameter, or use the continue token in this response to "
    "retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True)
class Selection:
    """Which objects of a resource are asked for; ``namespace`` None means all."""

    resource: Resource
    namespace: str | None
    labels: LabelSelector
    fields: FieldSelector

    def matches(self, record: Record) -> bool:
        if self.namespace is not None and record.key.namespace != self.namespace:
            return False
        return self.labels.matches(record.labels) and self.fields.matches(record.load)


def parse_selection(
    resource: Resource, namespace: str | None, query: Mapping[str, str]
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
    """One answer to a list: records, the version they show, and what follows."""

    records: Sequence[Record]
    version: int
    next_token: str = ""
    remaining: int | None = None

    def metadata(self, *, custom: bool) -> JsonObject:
        """ListMeta; custom resources always show ``continue``."""
        meta: JsonObject = {}
        if custom or self.next_token:
            meta["continue"] = self.next_token
        if self.remaining is not None:
            meta["remainingItemCount"] = self.remaining
        return {**meta, "resourceVersion": str(self.version)}


@dataclass(frozen=True)
class _Start:
    """Where a page starts: after which place, at which version (-1: the current one)."""

    version: int
    after: tuple[str, str] | None


async def list_page(store: Store, selection: Selection, query: Mapping[str, str]) -> Page:
    """Answer a list request."""
    _check_options(query)
    limit = whole_number(query, "limit") or 0
    whole_number(query, "timeoutSeconds")
    version = list_version(query)
    if query.get("continue"):
        start = _decode_token(query["continue"])
        return _page(store, selection, start, limit)
    await wait_for(store, version)
    match = query.get("resourceVersionMatch", "")
    exact = match == "Exact" or (version and limit > 0 and match != "NotOlderThan")
    if version == 0 and match != "Exact":
        limit = 0
    return _page(store, selection, _Start(version if exact and version else -1, None), limit)


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
    """The resourceVersion of a list request; None when absent."""
    text = query.get("resourceVersion", "")
    if not text:
        return None
    if not text.isdigit():
        raise bad_request(
            f'invalid resource version: resourceVersion: Invalid value: "{text}": '
            f'strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    return int(text)


async def wait_for(store: Store, version: int | None) -> None:
    """Wait a moment for a version that is not there yet, then refuse with a 504."""
    if version is None or version <= store.version:
        return
    await asyncio.sleep(FUTURE_WAIT)
    if version > store.version:
        raise Refusal(
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


def _page(store: Store, selection: Selection, start: _Start, limit: int) -> Page:
    version = store.version if start.version < 0 else start.version
    records = _records(store, selection, version)
    if records is None:
        raise _too_old(start)
    if start.after is not None:
        after = Key("", *start.after).place
        records = [record for record in records if record.key.place > after]
    found = [record for record in records if selection.matches(record)]
    if limit <= 0 or len(found) <= limit:
        return Page(found, version)
    page = found[:limit]
    remaining = (
        None if selection.labels.requirements or selection.fields.terms else len(found) - limit
    )
    return Page(page, version, _encode_token(version, page[-1].key), remaining)


def _records(store: Store, selection: Selection, version: int) -> list[Record] | None:
    resource, namespace = selection.resource.qualified, selection.namespace
    name = selection.fields.exact(("metadata", "name"))
    if version != store.version:
        return store.list_at(resource, namespace, version)
    if name is not None and namespace is not None:
        record = store.get(Key(resource, namespace, name))
        return [record] if record else []
    return store.collection(resource, namespace)


def _too_old(start: _Start) -> Refusal:
    if start.after is None:
        return expired("The resourceVersion for the provided list is too old.")
    return expired(TOO_OLD_PAGE, _token(-1, start.after))


def _encode_token(version: int, last: Key) -> str:
    return _token(version, (last.namespace, last.name))


def _token(version: int, after: tuple[str, str]) -> str:
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": "/".join(after)})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode_token(token: str) -> _Start:
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        content = json.loads(text)
        namespace, _, name = content["start"].partition("/")
        return _Start(int(content["rv"]), (namespace, name))
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise bad_request(
            "invalid continue token: continue key is not valid: illegal base64 data at input byte 0"
        ) from error
