"""Self reviews for `kubectl auth whoami` (KEP-3325) and `can-i`. Nothing is stored."""

from __future__ import annotations

from aiohttp import web

from flotta.apiserver.errors import PlainTextError, StatusError, invalid, invalid_value
from flotta.apiserver.http.authn import User
from flotta.apiserver.http.authorization import Authorization
from flotta.apiserver.http.discovery import REVIEWS
from flotta.apiserver.http.responses import json_response
from flotta.apiserver.http.targets import Target
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.objects.bodies import decode_body, media_type, read_body


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
    spec = body.get("spec") or {}
    response: JsonObject = {
        "kind": kind,
        "apiVersion": f"{target.group}/{target.version}",
        "metadata": {},
    }
    if kind == "SelfSubjectAccessReview":
        response |= {"spec": spec, "status": {"allowed": _is_allowed(spec, user, authorization)}}
    elif kind == "SelfSubjectRulesReview":
        response |= {"spec": {}, "status": authorization.rules(user, spec.get("namespace", ""))}
    else:
        response |= {"status": {"userInfo": _user_info(user)}}
    return json_response(response, 201)


def _is_allowed(spec: JsonObject, user: User, authorization: Authorization) -> bool:
    asked = spec.get("resourceAttributes")
    path = spec.get("nonResourceAttributes")
    if asked:
        return authorization.allows(user, _asked_target(asked))
    if path:
        return authorization.allows_path(user, path.get("path", ""))
    text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
    cause = invalid_value("spec.resourceAttributes", None, text)
    raise invalid("SelfSubjectAccessReview", "authorization.k8s.io", "", [cause])


def _asked_target(asked: JsonObject) -> Target:
    return Target(
        verb=asked.get("verb", ""),
        group=asked.get("group", ""),
        version=asked.get("version", ""),
        plural=asked.get("resource", ""),
        namespace=asked.get("namespace", ""),
        name=asked.get("name", ""),
        subresource=asked.get("subresource", ""),
    )


def _user_info(user: User) -> JsonObject:
    info: JsonObject = {"username": user.name, "groups": list(user.groups)}
    if user.fingerprint:
        credential = f"X509SHA256={user.fingerprint}"
        info["extra"] = {"authentication.kubernetes.io/credential-id": [credential]}
    return info
