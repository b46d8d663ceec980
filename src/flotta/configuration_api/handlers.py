"""The operations of the Edge Configuration API (docs/reference/configuration-api.md#operations)."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from aiohttp import hdrs, web

from flotta.configuration_api import joining, leaving, reports
from flotta.configuration_api.configurations import read_configuration
from flotta.configuration_api.errors import ApiError
from flotta.configuration_api.records import find_device
from flotta.configuration_api.requests import (
    JSON,
    header_of,
    known_versions,
    name_of,
    read_after,
    read_body,
    read_wait,
    skip_body,
)
from flotta.configuration_api.store import Store
from flotta.protocol import configuration_api as api
from flotta.protocol.directives import HARDWARE
from flotta.protocol.models import EnrolmentInfo, Heartbeat, RegistrationInfo

FOLLOWERS = 64  # requests for changes that are held at once


@dataclass(frozen=True)
class JoiningRules:
    """Who may join without an administrator, and how many may wait for one (0: any number)."""

    auto_approve: bool = False
    max_pending: int = 1000


class Handlers:
    """Turns requests into reads and writes of the database."""

    def __init__(self, store: Store, rules: JoiningRules) -> None:
        self._store = store
        self._rules = rules
        self._followers = 0

    async def get_configuration(self, request: web.Request) -> web.Response:
        """Respond with the configuration, or with 304 to who has this version."""
        name = name_of(request)
        stored = await self._store.read(lambda connection: read_configuration(connection, name))
        headers = {"ETag": f'"{stored.version}"', "Cache-Control": "private, no-cache"}
        if stored.version in known_versions(request):
            return web.Response(status=304, headers=headers)
        answer = api.ConfigurationResponse(device_configuration=msgspec.Raw(stored.content))
        return _json(answer, headers=headers)

    async def post_enrolment(self, request: web.Request) -> web.Response:
        """Record that a device asks to join; 200 when it may register."""
        name = name_of(request)
        info = await read_body(request, EnrolmentInfo)
        may_register = await self._store.write(
            lambda connection: joining.enrol(
                connection,
                name,
                info,
                fingerprint=header_of(request, api.FINGERPRINT_HEADER),
                batch=header_of(request, api.BATCH_HEADER),
                auto_approve=self._rules.auto_approve,
                max_pending=self._rules.max_pending,
            )
        )
        return _empty(api.KNOWN if may_register else api.RECORDED)

    async def get_registration(self, request: web.Request) -> web.Response:
        """Respond with what is on record about a device."""
        name = name_of(request)
        read = self._store.read
        return _json(await read(lambda found: joining.registration_status(found, name)))

    async def put_registration(self, request: web.Request) -> web.Response:
        """Record a registration."""
        name = name_of(request)
        info = await read_body(request, RegistrationInfo)
        await self._store.write(
            lambda connection: joining.register(
                connection,
                name,
                info,
                fingerprint=header_of(request, api.FINGERPRINT_HEADER),
                peer=header_of(request, api.PEER_HEADER),
                uid=header_of(request, api.UID_HEADER),
            )
        )
        return _empty()

    async def put_heartbeat(self, request: web.Request) -> web.Response:
        """Record a heartbeat; ask for the hardware if it is not known."""
        name = name_of(request)
        heartbeat = await read_body(request, Heartbeat)
        message_id = header_of(request, api.MESSAGE_ID_HEADER)
        complete = await self._store.write(
            lambda found: reports.record_heartbeat(found, name, heartbeat, message_id)
        )
        return _empty(headers={} if complete else {api.HEARTBEAT_WANTED_HEADER: HARDWARE})

    async def get_playbooks(self, request: web.Request) -> web.Response:
        """Respond with no playbooks: devices of today run none."""
        name = name_of(request)
        if await self._store.read(lambda connection: find_device(connection, name)) is None:
            raise ApiError(404, f"{name} is not on record")
        return web.Response(body=b"[]", content_type=JSON)

    async def put_disconnect(self, request: web.Request) -> web.Response:
        """Record that a device carried out that it was to go."""
        name = name_of(request)
        await skip_body(request)
        uid = header_of(request, api.UID_HEADER)
        await self._store.write(lambda found: leaving.record_disconnect(found, name, uid))
        return _empty()

    async def get_changes(self, request: web.Request) -> web.Response:
        """Respond with the devices that changed after a version, held until there are any.

        Who does not ask to wait takes no place among those that do.
        """
        after, seconds = read_after(request), read_wait(request)
        if not seconds:
            return _json(await self._store.wait_for_changes(after, 0))
        if self._followers >= FOLLOWERS:
            raise ApiError(503, f"{FOLLOWERS} requests wait for changes already", retry_after=5)
        self._followers += 1
        try:
            return _json(await self._store.wait_for_changes(after, seconds))
        finally:
            self._followers -= 1


def _json(answer: msgspec.Struct, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer), content_type=JSON, headers=headers)


def _empty(status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, headers={hdrs.CONTENT_TYPE: JSON, **(headers or {})})
