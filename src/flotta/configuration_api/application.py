"""The paths of the Edge Configuration API, who may use them, and errors as JSON."""

from __future__ import annotations

import logging

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from flotta.configuration_api.clients import require_client
from flotta.configuration_api.errors import ApiError, DatabaseError
from flotta.configuration_api.handlers import Handlers
from flotta.configuration_api.requests import JSON, MAX_BODY
from flotta.limited_log import LimitedLog
from flotta.printable_text import printable
from flotta.protocol import configuration_api as api

RETRY_AFTER = 5  # seconds, when the database cannot be used now
PATH_LIMIT = 200  # characters of a path in the log
DEVICE = api.BASE_PATH + "/namespaces/{namespace}/devices/{device_id}/"
log = logging.getLogger(__name__)


def make_application(handlers: Handlers, client_name: str | None) -> web.Application:
    """Return the application; None for the client's name lets anybody in (plain http)."""
    app = web.Application(
        middlewares=[_errors(), _authorisation(client_name)], client_max_size=MAX_BODY
    )
    for path, methods in _routes(handlers).items():
        resource = app.router.add_resource(path)
        for method, handler in methods.items():
            resource.add_route(method, handler)
    return app


def error_response(status: int, sentence: str, retry_after: int = 0) -> web.Response:
    """Return an error as this API has it: an object with `message`."""
    headers = {hdrs.RETRY_AFTER: str(retry_after)} if retry_after else None
    body = msgspec.json.encode(api.Failure(message=sentence))
    return web.Response(status=status, body=body, content_type=JSON, headers=headers)


def _routes(handlers: Handlers) -> dict[str, dict[str, Handler]]:
    return {
        DEVICE + api.CONFIGURATION: {hdrs.METH_GET: handlers.get_configuration},
        DEVICE + api.ENROLMENT: {hdrs.METH_POST: handlers.post_enrolment},
        DEVICE + api.REGISTRATION: {
            hdrs.METH_GET: handlers.get_registration,
            hdrs.METH_PUT: handlers.put_registration,
        },
        DEVICE + api.HEARTBEAT: {hdrs.METH_PUT: handlers.put_heartbeat},
        DEVICE + api.PLAYBOOK_EXECUTIONS: {hdrs.METH_GET: handlers.get_playbooks},
        DEVICE + api.DISCONNECT: {hdrs.METH_PUT: handlers.put_disconnect},
        f"{api.BASE_PATH}/{api.CHANGES}": {hdrs.METH_GET: handlers.get_changes},
    }


def _authorisation(client_name: str | None) -> Middleware:
    @web.middleware
    async def authorise(request: web.Request, handler: Handler) -> web.StreamResponse:
        if client_name is not None:
            transport = request.transport
            tls = transport.get_extra_info("ssl_object") if transport else None
            require_client(tls.getpeercert(True) if tls else None, client_name)
        return await handler(request)

    return authorise


def _errors() -> Middleware:
    failures = LimitedLog(log)

    def respond(request: web.Request, error: Exception) -> web.Response:
        what = f"{printable(request.method, 20)} {printable(request.path, PATH_LIMIT)}"
        match error:
            case ApiError():
                level = logging.WARNING if error.status in (401, 403, 429) else logging.DEBUG
                failures.log(level, "%s: %d: %s", what, error.status, printable(str(error)))
                return error_response(error.status, str(error), error.retry_after)
            case DatabaseError():
                failures.log(logging.ERROR, "%s: %s", what, error)
                return error_response(503, str(error), RETRY_AFTER)
            case web.HTTPException():
                response = error_response(error.status, error.reason)
                if hdrs.ALLOW in error.headers:
                    response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
                return response
        failures.log(logging.ERROR, "%s", what, exc_info=True)
        return error_response(500, "internal error")

    @web.middleware
    async def translate(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except Exception as error:  # a defect ends its request, not the server
            response = respond(request, error)
        if not request.content.is_eof():
            response.force_close()  # the rest of the body is not worth reading
        return response

    return translate
