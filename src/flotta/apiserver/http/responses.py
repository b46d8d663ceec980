"""HTTP responses: JSON, YAML, Tables, warnings and errors."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import msgspec
import yaml
from aiohttp import web
from multidict import CIMultiDict

from flotta.apiserver.errors import PlainTextError, StatusError
from flotta.apiserver.http import table
from flotta.apiserver.http.negotiation import JSON, YAML, Media
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.objects.lists import Page
from flotta.apiserver.registry import ServedResource
from flotta.printable_text import printable

MAX_WARNINGS = 32  # in a response
MAX_WARNING = 1000  # characters of one

MAX_BLOCK_YAML = 64 * 1024  # bytes as JSON


def json_response(
    body: bytes | JsonObject, code: int = 200, headers: Iterable[tuple[str, str]] = ()
) -> web.Response:
    """Return a JSON response; its media type has no charset, as in Kubernetes."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    fields = CIMultiDict(headers)
    fields.setdefault("Content-Type", JSON)
    return web.Response(status=code, body=raw, headers=fields)


def text_response(text: str, code: int = 200) -> web.Response:
    """Return a response in plain text."""
    return web.Response(status=code, text=text)


def object_response(
    obj: JsonObject,
    resource: ServedResource,
    media: Media,
    *,
    code: int = 200,
    warnings: Iterable[str] = (),
    include: str = "",
) -> web.Response:
    """Return an object in the negotiated form."""
    if media.transform == "Table":
        meta = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        obj = table.make_table(resource, [obj], meta, media, include)
    elif media.transform == "PartialObjectMetadata":
        obj = table.make_partial(obj, f"meta.k8s.io/{media.version}")
    return _encoded_response(obj, media, code, warnings)


def _encoded_response(
    obj: JsonObject, media: Media, code: int = 200, warnings: Iterable[str] = ()
) -> web.Response:
    headers = _warning_headers(warnings)
    if media.type == YAML:
        return json_response(_render_yaml(obj), code, [*headers, ("Content-Type", YAML)])
    return json_response(obj, code, headers)


REASONS = {
    400: "BadRequest",
    408: "Timeout",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    500: "InternalError",
}


def error_response(code: int, message: str) -> web.Response:
    """Return the Status of a request that does not get as far as the router."""
    return status_error_response(StatusError(code, message, REASONS.get(code), {}))


def _render_yaml(obj: JsonObject) -> bytes:
    """Return an object as YAML; a large one in the form of JSON, which is YAML as well.

    Writing a list of 10,000 devices in the other form takes minutes, in which nothing else is
    served.
    """
    raw = msgspec.json.encode(obj)
    if len(raw) > MAX_BLOCK_YAML:
        return raw
    return yaml.safe_dump(obj, sort_keys=False, allow_unicode=True).encode()


def warning_header(text: str) -> str:
    """Return a Warning header (RFC 7234 §5.5) as Kubernetes sends it (KEP-1693)."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{quoted}"'


def _warning_headers(warnings: Iterable[str]) -> list[tuple[str, str]]:
    """Return the first warnings; clients refuse a response with too many or too long headers."""
    shown = islice(warnings, MAX_WARNINGS)
    return [("Warning", warning_header(printable(text, MAX_WARNING))) for text in shown]


def list_response(
    page: Page, resource: ServedResource, media: Media, include: str = ""
) -> web.Response:
    """Return a list in the negotiated form."""
    meta = page.metadata(custom=resource.custom and not media.transform)
    if media.transform == "PartialObjectMetadata":
        raise table.partial_list_error(resource)
    if media.transform:
        objects = (record.load() for record in page.records)
        if media.transform == "Table":
            return _encoded_response(
                table.make_table(resource, objects, meta, media, include), media
            )
        return _encoded_response(table.make_partial_list(objects, meta, media), media)
    raw = _raw_list(page, resource, meta)
    if media.type == YAML:
        return _encoded_response(msgspec.json.decode(raw), media)
    return json_response(raw)


def _raw_list(page: Page, resource: ServedResource, meta: JsonObject) -> bytes:
    """Return the JSON of a list, joined from stored bytes.

    Items of core lists have no apiVersion and kind, as in Kubernetes: those of the list apply.
    """
    items = [record.raw for record in page.records]
    if not resource.custom:
        head = len(object_head(resource))
        items = [b"{" + item[head:] for item in items]
    start = msgspec.json.encode(
        {"apiVersion": resource.api_version, "kind": resource.list_kind, "metadata": meta}
    )
    return start[:-1] + b',"items":[' + b",".join(items) + b"]}"


def object_head(resource: ServedResource) -> bytes:
    """Return the bytes with which every stored object of a resource begins."""
    head = msgspec.json.encode({"apiVersion": resource.api_version, "kind": resource.kind})
    return head[:-1] + b","


def status_error_response(error: StatusError) -> web.Response:
    """Return the Status object of an error, with its headers and warnings."""
    headers = [*error.headers.items(), *_warning_headers(error.warnings)]
    return json_response(error.status(), error.code, headers)


def plain_text_response(error: PlainTextError) -> web.Response:
    """Return the plain text of an error."""
    return text_response(error.text, error.code)


def success_status(resource: ServedResource, obj: JsonObject) -> JsonObject:
    """Return the Status of a finished deletion."""
    meta = obj["metadata"]
    parts = {
        "name": meta["name"],
        "group": resource.group,
        "kind": resource.plural,
        "uid": meta["uid"],
    }
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {key: value for key, value in parts.items() if value},
    }
