"""The HTTP server: one entry for every path."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from flotta.apiserver import answers
from flotta.apiserver.authn import caller
from flotta.apiserver.authorization import REVIEW_GROUPS
from flotta.apiserver.discovery import AGGREGATED, wants_aggregated
from flotta.apiserver.errors import PlainRefusal, Refusal, bad_request, unknown_resource
from flotta.apiserver.handlers import HANDLERS, Call, check_shape
from flotta.apiserver.negotiation import negotiate
from flotta.apiserver.reviews import review
from flotta.apiserver.store import StorageFailure
from flotta.apiserver.streams import Streams
from flotta.apiserver.targets import parse_target

if TYPE_CHECKING:
    from flotta.apiserver.authn import User
    from flotta.apiserver.authorization import Authorization
    from flotta.apiserver.discovery import Discovery
    from flotta.apiserver.documents import Documents
    from flotta.apiserver.registry import Resource
    from flotta.apiserver.targets import Target
    from flotta.apiserver.writes import Objects

log = logging.getLogger(__name__)

HEALTH_PATHS = {"/healthz", "/livez", "/readyz"}


@dataclass(frozen=True)
class Services:
    """The parts that requests are passed to."""

    objects: Objects
    authorization: Authorization
    discovery: Discovery
    documents: Documents
    streams: Streams


class Server:
    """Routes requests: authentication, then authorization, then the resource or document."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def application(self) -> web.Application:
        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{path:.*}", self.handle)
        return app

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer any request; refusals become Status objects here and nowhere else."""
        try:
            return await self._route(request, caller(request))
        except Refusal as refusal:
            return answers.refusal_answer(refusal)
        except PlainRefusal as refusal:
            return answers.plain_answer(refusal)
        except StorageFailure as failure:
            text = f"Internal error occurred: the change could not be stored: {failure}"
            return answers.refusal_answer(Refusal(500, text, "InternalError", {}))
        except UnicodeEncodeError:
            text = "the body has a character that is not Unicode (half of a surrogate pair)"
            return answers.refusal_answer(bad_request(text))
        except (ConnectionError, web.HTTPException):
            raise
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            text = "Internal error occurred: see the log of flotta-apiserver"
            return answers.refusal_answer(Refusal(500, text, "InternalError", {}))

    async def _route(self, request: web.Request, user: User) -> web.StreamResponse:
        target = parse_target(request.method, request.path, request.query)
        if target is None:
            self._services.authorization.check_path(user, request.method, request.path)
            return self._document(request)
        self._services.authorization.check(user, target)
        if target.group in REVIEW_GROUPS:
            return await review(request, user, target, self._services.authorization)
        return await self._resource(request, user, target)

    async def _resource(
        self, request: web.Request, user: User, target: Target
    ) -> web.StreamResponse:
        services = self._services
        resource = self._find(target)
        call = Call(request, services.objects, resource, target, user, services.authorization)
        check_shape(call)
        if target.verb == "watch":
            return await self._services.streams.serve(call)
        return await HANDLERS[target.verb](call)

    def _find(self, target: Target) -> Resource:
        registry = self._services.objects.registry
        resource = registry.find(target.group, target.version, target.plural)
        if resource is None:
            raise unknown_resource() if not target.group else PlainRefusal()
        return resource

    def _document(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path.rstrip("/") in HEALTH_PATHS:
            return answers.text_answer("ok")
        if path.startswith("/openapi"):
            return self._services.documents.answer(request)
        return self._discovery(request, path.rstrip("/") if not path.endswith("//") else path)

    def _discovery(self, request: web.Request, path: str) -> web.StreamResponse:
        discovery = self._services.discovery
        accept = request.headers.get("Accept")
        if path in ("/api", "/apis") and wants_aggregated(accept):
            body, tag = discovery.aggregated(path)
            headers = [("ETag", tag), ("Vary", "Accept"), ("Cache-Control", "public")]
            if request.headers.get("If-None-Match") == tag:
                return web.Response(status=304, headers=dict(headers))
            return answers.json_answer(body, headers=[*headers, ("Content-Type", AGGREGATED)])
        if path == "":
            return answers.json_answer({"paths": discovery.paths()})
        document = discovery.plain(path, request.host)
        if document is None:
            if path.startswith("/api/"):
                raise unknown_resource()
            raise PlainRefusal()
        negotiate(accept, transforms=False)
        return answers.json_answer(document)
