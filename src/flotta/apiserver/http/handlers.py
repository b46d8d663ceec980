"""Resource requests: from a parsed URL to the response, a function for each verb."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from aiohttp import web

from flotta.apiserver.errors import StatusError, bad_request
from flotta.apiserver.http import responses, table
from flotta.apiserver.http.authn import User
from flotta.apiserver.http.authorization import Authorization
from flotta.apiserver.http.negotiation import Media, negotiate
from flotta.apiserver.http.targets import Target
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.objects import creation, deletion, updates
from flotta.apiserver.objects.apply import apply_configuration
from flotta.apiserver.objects.bodies import DecodedBody, decode_body, media_type, read_body
from flotta.apiserver.objects.lists import list_page, parse_selection, wait_for_version
from flotta.apiserver.objects.options import WriteOptions, delete_options, write_options
from flotta.apiserver.objects.patch import (
    APPLY_PATCH,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    apply_patch,
)
from flotta.apiserver.objects.updates import RequestedChange
from flotta.apiserver.objects.watch import watch_version
from flotta.apiserver.objects.writes import Endpoint, Objects, WriteResult, check_name
from flotta.apiserver.registry import ServedResource

CUSTOM_PATCHES = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)
CORE_PATCHES = (*CUSTOM_PATCHES, STRATEGIC_PATCH)


@dataclass(frozen=True)
class Call:
    """An authorized request to a known resource."""

    request: web.Request
    objects: Objects
    resource: ServedResource
    target: Target
    user: User
    authorization: Authorization

    @property
    def endpoint(self) -> Endpoint:
        """The addressed resource, with an empty namespace for a cluster resource."""
        target = self.target
        namespace = target.namespace if self.resource.namespaced else ""
        return Endpoint(self.resource, namespace, target.name, target.subresource)

    def include(self, media: Media) -> str:
        """Return what the rows of a Table must contain; other forms ignore it."""
        include = self.request.query.get("includeObject", "")
        if media.transform == "Table":
            table.check_include(include)
        return include

    def media(self) -> Media:
        """Return the form of the response that the client accepts."""
        return negotiate(self.request.headers.get("Accept"))

    def check_create(self) -> None:
        """Refuse to create by another method than POST unless the caller may create, too."""
        self.authorization.check(self.user, replace(self.target, verb="create"))

    def options(self, kind: str, *, apply: bool = False) -> WriteOptions:
        """Return the options of a write; `kind` is their name in a refusal."""
        agent = self.request.headers.get("User-Agent", "")
        options = write_options(self.request.query, agent, kind, apply=apply)
        return replace(options, check_write=self._check_write)

    def _check_write(self, new: JsonObject, old: JsonObject | None) -> None:
        self.authorization.check_write(self.user, self.target, new, old)

    async def body(self) -> DecodedBody:
        """Return the decoded body of the request."""
        body = await read_body(self.request)
        return await decode_body(body, media_type(self.request.headers), self.resource.kind)


async def get_object(call: Call) -> web.StreamResponse:
    """Respond to GET of one object."""
    media = call.media()
    endpoint = call.endpoint
    await wait_for_version(call.objects.store, watch_version(call.request.query))
    record = call.objects.store.get(endpoint.key)
    if record is None:
        raise endpoint.not_found()
    if media.transform or media.type != "application/json":
        return responses.object_response(
            record.load(), endpoint.resource, media, include=call.include(media)
        )
    return responses.json_response(record.raw)


async def list_objects(call: Call) -> web.StreamResponse:
    """Respond to GET of a collection."""
    media = call.media()
    selection = parse_selection(call.resource, call.target.namespace or None, call.request.query)
    page = await list_page(call.objects.store, selection, call.request.query)
    return responses.list_response(page, call.resource, media, call.include(media))


async def create_object(call: Call) -> web.StreamResponse:
    """Respond to POST."""
    media = call.media()
    options = call.options("CreateOptions")
    body = await call.body()
    result = await creation.create_object(call.objects, call.endpoint, body, options)
    return _respond(call, result, media)


async def update_object(call: Call) -> web.StreamResponse:
    """Respond to PUT; Events and Leases are created if they do not exist."""
    media = call.media()
    options = call.options("UpdateOptions")
    body = await call.body()
    endpoint = call.endpoint
    # AllowCreateOnUpdate in Kubernetes' registries is true for Events and Leases.
    if endpoint.resource.put_creates and call.objects.store.newest(endpoint.key) is None:
        call.check_create()
        result = await _create_named(call, body, options)
    else:
        check_name(body.value, endpoint)
        result = await updates.update_object(
            call.objects,
            endpoint,
            lambda _old: RequestedChange(body.value, body.duplicates),
            options,
        )
    return _respond(call, result, media)


async def _create_named(call: Call, body: DecodedBody, options: WriteOptions) -> WriteResult:
    """Create by PUT; the name is that of the URL."""
    meta = body.value.get("metadata")
    if isinstance(meta, dict) and meta.get("name", call.endpoint.name) == call.endpoint.name:
        meta["name"] = call.endpoint.name
        meta.pop("resourceVersion", None)
        return await creation.create_object(call.objects, call.endpoint, body, options)
    name = meta.get("name") if isinstance(meta, dict) else ""
    raise bad_request(
        f"the name of the object ({name}) does not match the name on the URL ({call.endpoint.name})"
    )


async def patch_object(call: Call) -> web.StreamResponse:
    """Respond to PATCH of one of the four types, which include server-side apply."""
    media = call.media()
    kind = media_type(call.request.headers)
    _check_patch_type(call.resource, kind)
    options = call.options("PatchOptions", apply=kind == APPLY_PATCH)
    body = await read_body(call.request)
    if kind == APPLY_PATCH:
        result = await apply_configuration(
            call.objects, call.endpoint, body, options, call.check_create
        )
    else:
        result = await updates.update_object(
            call.objects, call.endpoint, _propose_patch(kind, body), options
        )
    return _respond(call, result, media)


def _propose_patch(kind: str, body: bytes) -> Callable[[JsonObject], RequestedChange]:
    def propose(old: JsonObject) -> RequestedChange:
        patched, duplicates = apply_patch(kind, body, old)
        return RequestedChange(patched, duplicates, patch=True)

    return propose


def _check_patch_type(resource: ServedResource, kind: str) -> None:
    accepted = CUSTOM_PATCHES if resource.custom else CORE_PATCHES
    if kind not in accepted:
        message = f'the body has the type "{kind}"; a patch of {resource.plural} must have '
        raise StatusError(415, message + " or ".join(accepted), "UnsupportedMediaType")


def _respond(call: Call, result: WriteResult, media: Media) -> web.StreamResponse:
    return responses.object_response(
        result.obj,
        call.resource,
        media,
        code=201 if result.created else 200,
        warnings=result.warnings,
        include=call.include(media),
    )


async def delete_object(call: Call) -> web.StreamResponse:
    """Respond to DELETE: a Status if the object is gone, the object while finalizers hold it."""
    options = delete_options(
        call.request.query, await _delete_body(call), call.resource.api_version
    )
    deleted = await deletion.delete_object(call.objects, call.endpoint, options)
    # A namespace is not gone before its content is, so the response is the object.
    if not deleted.gone or call.resource.plural == "namespaces":
        return responses.json_response(deleted.obj)
    return responses.json_response(responses.success_status(call.resource, deleted.obj))


async def _delete_body(call: Call) -> JsonObject:
    body = await read_body(call.request)
    if not body.strip():
        return {}
    kind = media_type(call.request.headers)
    decoded = await decode_body(body, kind, "DeleteOptions")
    value: JsonObject = decoded.value
    return value


async def delete_collection(call: Call) -> web.StreamResponse:
    """Delete what a selector matches in a namespace; respond with the list of it."""
    body = await _delete_body(call)
    query = call.request.query
    options = delete_options(query, body, call.resource.api_version)
    selection = parse_selection(call.resource, call.target.namespace, query)
    page = await list_page(call.objects.store, selection, {})
    for record in page.records:
        endpoint = Endpoint(call.resource, record.key.namespace, record.key.name)
        if call.objects.store.newest(endpoint.key) is not None:
            await deletion.delete_object(call.objects, endpoint, options)
    return responses.list_response(page, call.resource, call.media())


HANDLERS: dict[str, Callable[[Call], Awaitable[web.StreamResponse]]] = {
    "get": get_object,
    "list": list_objects,
    "create": create_object,
    "update": update_object,
    "patch": patch_object,
    "delete": delete_object,
    "deletecollection": delete_collection,
}
