"""The entry for every path: authentication, authorization, and the part that responds."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from aiohttp import web

from flotta.apiserver.errors import (
    PlainTextError,
    StatusError,
    bad_request,
    internal,
    unknown_resource,
)
from flotta.apiserver.http import responses
from flotta.apiserver.http.authn import User, authenticate
from flotta.apiserver.http.authorization import REVIEW_GROUPS, Authorization
from flotta.apiserver.http.discovery import AGGREGATED, Discovery, wants_aggregated
from flotta.apiserver.http.documents import Documents
from flotta.apiserver.http.handlers import HANDLERS, Call
from flotta.apiserver.http.negotiation import negotiate
from flotta.apiserver.http.offers import check_offered
from flotta.apiserver.http.reviews import serve_review
from flotta.apiserver.http.streams import Streams
from flotta.apiserver.http.targets import Target, parse_target
from flotta.apiserver.objects.writes import Objects
from flotta.apiserver.registry import ServedResource
from flotta.apiserver.storage.store import ObjectTooLargeError, StorageFailure
from flotta.limited_log import LimitedLog
from flotta.printable_text import printable

log = logging.getLogger(__name__)

HEALTH_PATHS = {"/healthz", "/livez", "/readyz"}


@dataclass(frozen=True)
class Services:
    """The parts to which requests are passed."""

    objects: Objects
    authorization: Authorization
    discovery: Discovery
    documents: Documents
    streams: Streams


class Router:
    """Routes requests: authentication, then authorization, then the resource or document."""

    def __init__(self, services: Services) -> None:
        self._services = services
        # A request that meets a defect can be repeated as fast as one likes.
        self._defects = LimitedLog(log, 1)

    def application(self) -> web.Application:
        """Return the aiohttp application that sends every request to `handle`."""
        # Without aiohttp's limit: `read_body` has its own, and responds with a Status.
        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{path:.*}", self.handle)
        return app

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Respond to any request; this is the only place that turns errors into responses."""
        try:
            return await self._route(request, authenticate(request))
        except StatusError as error:
            return responses.status_error_response(error)
        except PlainTextError as error:
            return responses.plain_text_response(error)
        except StorageFailure as error:
            text = f"Internal error occurred: the change could not be stored: {error}"
            return responses.status_error_response(StatusError(500, text, "InternalError", {}))
        except ObjectTooLargeError as error:
            return responses.status_error_response(internal(str(error)))
        except UnicodeEncodeError:
            text = "the body has half of a surrogate pair, which is not a Unicode character"
            return responses.status_error_response(bad_request(text))
        except (ConnectionError, web.HTTPException):
            raise
        except Exception:  # a defect ends its request, not the server
            self._defects.log(
                logging.ERROR,
                "%s %s failed",
                *(printable(request.method), printable(request.path)),
                exc_info=True,
            )
            text = "Internal error occurred: see the log of flotta-apiserver"
            return responses.status_error_response(StatusError(500, text, "InternalError", {}))

    async def _route(self, request: web.Request, user: User) -> web.StreamResponse:
        target = parse_target(request.method, request.path, request.query)
        if target is None:
            self._services.authorization.check_path(user, request.method, request.path)
            return self._serve_document(request)
        self._services.authorization.check(user, target)
        if target.group in REVIEW_GROUPS:
            return await serve_review(request, user, target, self._services.authorization)
        return await self._serve_resource(request, user, target)

    async def _serve_resource(
        self, request: web.Request, user: User, target: Target
    ) -> web.StreamResponse:
        services = self._services
        resource = self._find_resource(target)
        call = Call(request, services.objects, resource, target, user, services.authorization)
        check_offered(call)
        if target.verb == "watch":
            return await self._services.streams.serve(call)
        return await HANDLERS[target.verb](call)

    def _find_resource(self, target: Target) -> ServedResource:
        registry = self._services.objects.registry
        resource = registry.find(target.group, target.version, target.plural)
        if resource is None:
            raise unknown_resource() if not target.group else PlainTextError()
        return resource

    def _serve_document(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path.rstrip("/") in HEALTH_PATHS:
            return responses.text_response("ok")
        if path.startswith("/openapi"):
            return self._services.documents.serve(request)
        return self._serve_discovery(request, path.rstrip("/") if not path.endswith("//") else path)

    def _serve_discovery(self, request: web.Request, path: str) -> web.StreamResponse:
        discovery = self._services.discovery
        accept = request.headers.get("Accept")
        if path in ("/api", "/apis") and wants_aggregated(accept):
            body, tag = discovery.aggregated(path)
            headers = [("ETag", tag), ("Vary", "Accept"), ("Cache-Control", "public")]
            if request.headers.get("If-None-Match") == tag:
                return web.Response(status=304, headers=dict(headers))
            return responses.json_response(body, headers=[*headers, ("Content-Type", AGGREGATED)])
        if path == "":
            return responses.json_response({"paths": discovery.paths()})
        document = discovery.plain(path, request.host)
        if document is None:
            if path.startswith("/api/"):
                raise unknown_resource()
            raise PlainTextError()
        negotiate(accept, transforms=False)
        return responses.json_response(document)
