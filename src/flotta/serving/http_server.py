"""An aiohttp application behind the gate: what every HTTP server of ours is made of."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from flotta.serving.connections import Connections
from flotta.serving.failure_log import CapLog
from flotta.serving.http_connection import ErrorResponse, Gate, HttpConnection
from flotta.serving.limits import ANONYMOUS, Cap, Deadlines, Identify, Limits, Owner
from flotta.serving.listener import Listener
from flotta.serving.pending import Pending

OF_ALL_ANONYMOUS = 64  # connections at once of clients without a certificate
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def anonymous(_: bytes | None = None, most: int = OF_ALL_ANONYMOUS) -> Owner:
    """Return the owner of connections without a client certificate."""
    return Owner(ANONYMOUS, "all clients without a certificate together", most, "anonymous")


def json_error(status: int, sentence: str) -> web.Response:
    """Return a response with the body `{"code": …, "message": …}`."""
    text = json.dumps({"code": status, "message": sentence})
    return web.Response(status=status, text=text, content_type="application/json")


class HttpServer:
    """Serves an application on one or more addresses.

    `name` is for the header `Server`; `count` is called for each connection that a cap costs.
    Bodies are never inflated: by default a coded one is refused with 415.
    """

    def __init__(
        self,
        application: web.Application,
        name: str,
        limits: Limits,
        *,
        deadlines: Deadlines = Deadlines(),  # noqa: B008 - it is frozen
        identify: Identify = anonymous,
        error_response: ErrorResponse = json_error,
        count: Callable[[Cap], None] = lambda _: None,
        handler_cancellation: bool = False,
        shutdown_timeout: float = 5.0,
        proxy_protocol: bool = False,
        refuses_coded_bodies: bool = True,
    ) -> None:
        self._name = name
        self._deadlines = deadlines
        self._identify = identify
        self._error_response = error_response
        self._refuses_coded_bodies = refuses_coded_bodies
        self._gate: Gate | None = None
        self._runner = web.AppRunner(
            application,
            handler_cancellation=handler_cancellation,
            shutdown_timeout=shutdown_timeout,
        )
        application.on_response_prepare.append(self._name_server)
        caps = CapLog(count)
        self._connections = Connections(limits.total, caps)
        self._listener = Listener(
            self._new_connection,
            self._connections,
            caps,
            limits,
            deadlines,
            proxy_protocol=proxy_protocol,
        )

    async def start(self, host: str, port: int, context: ssl.SSLContext | None = None) -> int:
        """Listen and return the port (useful for port 0); without a context over plain HTTP.

        Raises OSError when the address cannot be used. May be called again for another address.
        """
        if self._gate is None:
            self._gate = await self._set_up()
        self._listener.context = context
        return await self._listener.start(host, port)

    def replace_context(self, context: ssl.SSLContext) -> None:
        """Use another TLS context for new connections."""
        self._listener.context = context

    def close_idle(self, prefix: str) -> None:
        """Close the connections without a request of all owners whose key begins so."""
        self._connections.close_idle(prefix)

    async def close_of(self, shuts_out: Callable[[bytes], bool]) -> None:
        """Close the connections of the client certificates (DER) that a function tells, at once."""
        for connection in self._connections.all():
            certificate = connection.certificate
            if certificate is not None and shuts_out(certificate):
                self._connections.shed(connection)
            await asyncio.sleep(0)  # there may be thousands; others are served in between

    async def stop_accepting(self) -> None:
        """Accept no further connection; those that are established are served."""
        await self._listener.stop_accepting()

    async def stop(self) -> None:
        """Finish the requests that are being served and close."""
        await self.stop_accepting()
        await self._runner.cleanup()

    async def _set_up(self) -> Gate:
        await self._runner.setup()
        server = self._runner.server
        if server is None:
            raise RuntimeError("the HTTP server was not set up")
        server.request_handler = self._bounded(server.request_handler)
        return Gate(
            server,
            self._name,
            self._connections,
            self._deadlines,
            self._identify,
            self._error_response,
        )

    def _new_connection(self, accepted: Pending) -> asyncio.Protocol:
        if self._gate is None:
            raise RuntimeError("a connection was accepted before the start")
        return HttpConnection(self._gate, accepted)

    def _bounded(self, handler: Handler) -> Handler:
        """Return the handler with what every server does before and after it."""

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            connection = request.protocol
            assert isinstance(connection, HttpConnection)  # noqa: S101 - made by _new_connection
            connection.begin(request)
            try:
                if self._refuses_coded_bodies and hdrs.CONTENT_ENCODING in request.headers:
                    raise web.HTTPUnsupportedMediaType
                return await handler(request)
            except web.HTTPException as error:
                return self._translate(error)
            finally:
                connection.end()

        return handle

    def _translate(self, error: web.HTTPException) -> web.Response:
        """Return an error of aiohttp, which would be plain text, in the form of the server."""
        assert self._gate is not None  # noqa: S101 - it serves
        response = self._gate.refuse(error.status, error.reason)
        if hdrs.ALLOW in error.headers:
            response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
        if error.status == 408:
            response.force_close()
        return response

    async def _name_server(self, _: web.Request, response: web.StreamResponse) -> None:
        response.headers[hdrs.SERVER] = self._name
