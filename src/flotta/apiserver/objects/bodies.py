"""Request bodies: media types, JSON with detection of duplicate keys, YAML, protobuf."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NoReturn

import yaml
from aiohttp import web

from flotta.apiserver.errors import StatusError, bad_request, wrong_type
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.objects import extent, protobuf
from flotta.yaml_loader import Loader, load_yaml

MAX_BODY = 3 * 1024 * 1024  # bytes, as in kube-apiserver
QUICK = 16 * 1024  # bytes of YAML or protobuf, which are parsed before others are served again
MAX_DUPLICATES = 100  # duplicate keys that are reported
MAX_NAME = 253  # characters of a name in such a report; names of labels and data are not longer
PROTOBUF = "application/vnd.kubernetes.protobuf"


@dataclass(frozen=True)
class DecodedBody:
    """A decoded body and the paths of its duplicate keys."""

    value: Any
    duplicates: list[str] = field(default_factory=list)


async def read_body(request: web.Request) -> bytes:
    """Return the whole body. Raises a 413 StatusError above Kubernetes' limit."""
    length = request.content_length
    if length is not None and length > MAX_BODY:
        raise _too_large()
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY:
            raise _too_large()
    return bytes(body)


def _too_large() -> StatusError:
    message = f"Request entity too large: limit is {MAX_BODY}"
    return StatusError(413, message, "RequestEntityTooLarge")


def media_type(headers: Mapping[str, str]) -> str:
    """Return the Content-Type without parameters; empty when the header is absent."""
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()


async def decode_body(body: bytes, kind_of_body: str, wanted: str) -> DecodedBody:
    """Decode the body of POST, PUT or DELETE; without a type it is taken for JSON.

    `wanted` is the kind that refusals name.
    """
    if kind_of_body in ("", "application/json"):
        return decode_json(body, wanted)
    if kind_of_body == "application/yaml":
        return DecodedBody(await decode_yaml(body, wanted))
    if kind_of_body == PROTOBUF:
        return DecodedBody(await _decode_aside(_decode_protobuf, body))
    message = (
        f'the body has the type "{kind_of_body}"; it must have application/json, '
        f"application/yaml or {PROTOBUF}"
    )
    raise StatusError(415, message, "UnsupportedMediaType")


def decode_json(body: bytes, wanted: str) -> DecodedBody:
    """Decode a JSON object and find duplicate keys."""
    try:
        value, duplicates = parse_json(body)
    except ValueError as error:
        why = "it is empty" if not body.strip() else str(error)
        raise bad_request(f"the body must be a {wanted} in JSON: {why}") from error
    if not isinstance(value, dict):
        raise wrong_type("the body", value, f"a {wanted}")
    return DecodedBody(value, duplicates)


async def decode_yaml(body: bytes, wanted: str) -> JsonObject:
    """Decode an object in YAML or JSON; `wanted` is the kind that refusals name."""
    value = await _decode_aside(_parse_yaml, body)
    if not isinstance(value, dict):
        raise wrong_type("the body", value, f"a {wanted}")
    return value


async def _decode_aside(decode: Callable[[bytes], Any], body: bytes) -> Any:
    """Decode a body; what can take long does not keep others waiting."""
    return decode(body) if len(body) <= QUICK else await asyncio.to_thread(decode, body)


def _parse_yaml(body: bytes) -> Any:
    try:
        decoded = json.dumps(load_yaml(body, _BodyLoader), allow_nan=False)
        return _check_extent(json.loads(decoded))
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        raise bad_request(f"error decoding YAML: {error}") from error


def _decode_protobuf(body: bytes) -> Any:
    try:
        return _check_extent(protobuf.decode(body))
    except ValueError as error:
        raise bad_request(str(error)) from error


def _check_extent(value: Any) -> Any:
    extent.check_value(value)
    return value


class _BodyLoader(Loader):
    """Reads `y` and `n` as truth values, too, as YAML 1.1 says and Kubernetes does."""


_BodyLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("[yYnN]$"), list("yYnN"))
_BodyLoader.bool_values = {**yaml.SafeLoader.bool_values, "y": True, "n": False}


def parse_json(body: bytes) -> tuple[Any, list[str]]:
    """Parse JSON text; returns the value and the dotted paths of the first duplicate keys.

    Raises ValueError for what is not JSON, or is excessive.
    """
    extent.check_text(body)
    repeated: dict[int, list[str]] = {}
    keep: list[JsonObject] = []  # the ids above are unique only while the objects exist

    def collect(items: list[tuple[str, Any]]) -> JsonObject:
        found = dict(items)
        if len(found) != len(items):
            counts = Counter(key for key, _ in items)
            repeated[id(found)] = sorted(key for key, count in counts.items() if count > 1)
            keep.append(found)
        return found

    try:
        value = json.loads(body, object_pairs_hook=collect, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    extent.check_value(value)
    found = _find_duplicates(value, repeated) if repeated else ()
    return value, list(islice(found, MAX_DUPLICATES))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _find_duplicates(
    value: Any, repeated: dict[int, list[str]], path: tuple[str, ...] = ()
) -> Iterator[str]:
    """Yield the path of each duplicate key; names in it are cut, for each may fill the body."""
    if isinstance(value, dict):
        for key in repeated.get(id(value), ()):
            yield "".join((*path, f".{key[:MAX_NAME]}")).removeprefix(".")
        for key, item in value.items():
            yield from _find_duplicates(item, repeated, (*path, f".{key[:MAX_NAME]}"))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _find_duplicates(item, repeated, (*path, f"[{index}]"))
