"""The paths of the device API, and the refusals of all others.

No route responds to `Expect: 100-continue` by itself, as those of aiohttp do: the body is invited
when it is read (`messages.read_message`), so a request that is refused never sends it.
"""

from __future__ import annotations

from typing import Protocol

from aiohttp import hdrs, web

from flotta.edge_api.refusals import Refusal
from flotta.protocol.reasons.refusals import METHOD_NOT_ALLOWED, UNKNOWN_PATH

BASE = "/api/flotta-management/v1"


class DeviceApi(Protocol):
    """What responds at the four paths."""

    async def control_in(self, request: web.Request) -> web.Response:
        """Respond to `GET control/{device_id}/in`."""

    async def control_out(self, request: web.Request) -> web.Response:
        """Respond to `POST control/{device_id}/out`."""

    async def data_in(self, request: web.Request) -> web.Response:
        """Respond to `GET data/{device_id}/in`."""

    async def data_out(self, request: web.Request) -> web.Response:
        """Respond to `POST data/{device_id}/out`."""


def add_routes(router: web.UrlDispatcher, api: DeviceApi) -> None:
    """Add the routes of the device API; all other paths and methods are refused."""
    for method, path, handler in (
        (hdrs.METH_GET, "/control/{device_id}/in", api.control_in),
        (hdrs.METH_POST, "/control/{device_id}/out", api.control_out),
        (hdrs.METH_GET, "/data/{device_id}/in", api.data_in),
        (hdrs.METH_POST, "/data/{device_id}/out", api.data_out),
    ):
        resource = router.add_resource(BASE + path)
        resource.add_route(method, handler, expect_handler=_send_nothing)
        refuse = _MethodRefusal(method)
        resource.add_route(hdrs.METH_ANY, refuse.respond, expect_handler=_send_nothing)
    router.add_route(hdrs.METH_ANY, "/{path:(?s:.*)}", _refuse_path, expect_handler=_send_nothing)


class _MethodRefusal:
    """Refuses every method but one."""

    def __init__(self, allowed: str) -> None:
        self._allowed = allowed

    async def respond(self, _: web.Request) -> web.Response:
        raise Refusal(
            405,
            f"this path is for {self._allowed} only",
            reason=METHOD_NOT_ALLOWED,
            headers={hdrs.ALLOW: self._allowed},
        )


async def _refuse_path(_: web.Request) -> web.Response:
    raise Refusal(404, "this path does not exist", reason=UNKNOWN_PATH)


async def _send_nothing(_: web.Request) -> None:
    return
