"""Reading requests: names in paths, bodies, headers, and the one query parameter."""

from __future__ import annotations

import asyncio
import re
from typing import TypeVar

import msgspec
from aiohttp import hdrs, web

from flotta.configuration_api.errors import ApiError
from flotta.configuration_api.names import Name, check_name
from flotta.protocol.envelope import decode
from flotta.serving.limits import Deadlines

T = TypeVar("T", bound=msgspec.Struct)
JSON = "application/json"
MAX_BODY = 512 * 1024  # bytes; what an Edge API takes from a device is half of that
MAX_OBJECTS = 32_768  # in a body, which takes longer to decode the more it has
BODY_TIMEOUT = 30.0  # seconds
MAX_WAIT = 90.0  # seconds that a request for changes is held
MAX_VERSION = 2**63 - 1
VERSION = re.compile(r"[0-9]{1,19}")
WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?=[,;]|$)", re.IGNORECASE)
HEADER_LIMIT = 256  # characters of a header that is recorded


def name_of(request: web.Request) -> Name:
    """Return the device that the path names; raises ApiError 400 for what cannot be one."""
    name = Name(request.match_info["namespace"], request.match_info["device_id"])
    check_name(name)
    return name


async def read_body(request: web.Request, type_: type[T]) -> T:
    """Return the body as a model: unknown properties are ignored, null is as if absent.

    Raises ApiError 400, 408, 413 or 415.
    """
    body = await _read(request)
    if request.content_type != JSON:
        raise ApiError(415, f"the content type must be {JSON}")
    if body.count(b"{") > MAX_OBJECTS:
        raise ApiError(400, f"the body has more than {MAX_OBJECTS} objects")
    if not body:
        raise ApiError(400, "the request has no body")
    try:
        return decode(body, type_)
    except ValueError as error:
        raise ApiError(400, f"the body is not as expected: {error}") from error


async def skip_body(request: web.Request) -> None:
    """Read a body that says nothing."""
    await _read(request)


def header_of(request: web.Request, name: str) -> str:
    """Return a header of the Edge API, "" without it; raises ApiError 400 if it is not UTF-8."""
    text = request.headers.get(name, "")[:HEADER_LIMIT]
    try:
        text.encode()
    except UnicodeEncodeError as error:  # aiohttp keeps such bytes as surrogates
        raise ApiError(400, f"the header {name} is not UTF-8") from error
    return text


def read_wait(request: web.Request) -> float:
    """Return for how many seconds the request may be held: `Prefer: wait` of RFC 7240."""
    found = WAIT.search(",".join(request.headers.getall("Prefer", [])))
    return min(float(found[1]), MAX_WAIT) if found else 0.0


def read_after(request: web.Request) -> int:
    """Return the version in the query, 0 without one."""
    text = request.query.get("after", "0")
    if not VERSION.fullmatch(text) or int(text) > MAX_VERSION:
        raise ApiError(400, "after must be a version: a whole number from 0 on")
    return int(text)


def known_versions(request: web.Request) -> set[str]:
    """Return the entity tags in If-None-Match, without their quotes (RFC 9110, 13.1.2)."""
    tags = ",".join(request.headers.getall(hdrs.IF_NONE_MATCH, []))[:4096].split(",")
    return {tag.strip().removeprefix("W/").strip('"') for tag in tags} - {""}


async def _read(request: web.Request) -> bytes:
    if (request.content_length or 0) > MAX_BODY:
        raise _too_large()
    try:
        async with asyncio.timeout(Deadlines(body=BODY_TIMEOUT).for_body(request.content_length)):
            return await request.read()
    except (TimeoutError, web.HTTPRequestTimeout) as error:
        raise ApiError(408, "the body did not arrive in time") from error
    except web.HTTPRequestEntityTooLarge as error:
        raise _too_large() from error
    except web.RequestPayloadError as error:
        raise ApiError(400, "the body is not HTTP: its chunks are malformed") from error


def _too_large() -> ApiError:
    return ApiError(413, f"the body is larger than {MAX_BODY // 1024} KiB")
