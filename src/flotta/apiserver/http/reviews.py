"""Self reviews for `kubectl auth whoami` (KEP-3325) and `can-i`. Nothing is stored."""

from __future__ import annotations

from typing import TypeVar

from aiohttp import web

from flotta.apiserver.errors import (
    PlainTextError,
    StatusError,
    invalid,
    invalid_value,
    wrong_type,
)
from flotta.apiserver.http.authn import User
from flotta.apiserver.http.authorization import Authorization
from flotta.apiserver.http.discovery import REVIEWS
from flotta.apiserver.http.responses import json_response
from flotta.apiserver.http.targets import Target
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.objects.bodies import decode_body, media_type, read_body

T = TypeVar("T")


async def serve_review(
    request: web.Request, user: User, target: Target, authorization: Authorization
) -> web.Response:
    """Respond to a request to one of the virtual review resources."""
    kind = REVIEWS.get((target.group, target.version), {}).get(target.plural)
    if kind is None:
        raise PlainTextError()
    if target.verb != "create":
        message = "the server does not allow this method on the requested resource"
        raise StatusError(405, message, "MethodNotAllowed", {})
    raw = await read_body(request)
    body = (await decode_body(raw, media_type(request.headers), kind)).value
    spec = _object_at(body, "spec")
    response: JsonObject = {
        "kind": kind,
        "apiVersion": f"{target.group}/{target.version}",
        "metadata": {},
    }
    if kind == "SelfSubjectAccessReview":
        response |= {"spec": spec, "status": {"allowed": _is_allowed(spec, user, authorization)}}
    elif kind == "SelfSubjectRulesReview":
        response |= {"spec": {}, "status": authorization.rules(user, _text_at(spec, "namespace"))}
    else:
        response |= {"status": {"userInfo": _user_info(user)}}
    return json_response(response, 201)


def _field_of(parent: JsonObject, name: str, kind: type[T], what: str) -> T:
    """Return a field, empty if it is absent or null. Raises a 400 StatusError for another type."""
    value = parent.get(name)
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise wrong_type(name, value, what)
    return value


def _object_at(parent: JsonObject, name: str) -> JsonObject:
    return _field_of(parent, name, dict, "an object")


def _text_at(parent: JsonObject, name: str) -> str:
    return _field_of(parent, name, str, "a string")


def _is_allowed(spec: JsonObject, user: User, authorization: Authorization) -> bool:
    asked = _object_at(spec, "resourceAttributes")
    path = _object_at(spec, "nonResourceAttributes")
    if asked:
        return authorization.allows(user, _asked_target(asked))
    if path:
        return authorization.allows_path(user, _text_at(path, "path"))
    text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
    cause = invalid_value("spec.resourceAttributes", None, text)
    raise invalid("SelfSubjectAccessReview", "authorization.k8s.io", "", [cause])


def _asked_target(asked: JsonObject) -> Target:
    return Target(
        verb=_text_at(asked, "verb"),
        group=_text_at(asked, "group"),
        version=_text_at(asked, "version"),
        plural=_text_at(asked, "resource"),
        namespace=_text_at(asked, "namespace"),
        name=_text_at(asked, "name"),
        subresource=_text_at(asked, "subresource"),
    )


def _user_info(user: User) -> JsonObject:
    info: JsonObject = {"username": user.name, "groups": list(user.groups)}
    if user.fingerprint:
        credential = f"X509SHA256={user.fingerprint}"
        info["extra"] = {"authentication.kubernetes.io/credential-id": [credential]}
    return info
