"""/openapi: the documents that kubectl needs for validation and explain (KEP-2896)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from email.utils import formatdate

import msgspec
from aiohttp import web

from flotta.apiserver.errors import PlainTextError
from flotta.apiserver.http.responses import json_response, text_response
from flotta.apiserver.json_object import JsonObject

V2_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
YEAR = 365 * 24 * 3600  # seconds


class Documents:
    """OpenAPI v3 documents by path (`apis/GROUP/VERSION`), encoded once."""

    def __init__(self, documents: Mapping[str, JsonObject]) -> None:
        self._bodies = {path: msgspec.json.encode(content) for path, content in documents.items()}
        self._hashes = {
            path: hashlib.sha512(body).hexdigest().upper() for path, body in self._bodies.items()
        }
        self._since = formatdate(usegmt=True)

    def serve(self, request: web.Request) -> web.Response:
        """Serve a request below /openapi."""
        path = request.path.rstrip("/") if request.path != "/openapi/v3/" else request.path
        if path == "/openapi/v2":
            # Empty and valid: clients that only know version 2 then skip client-side validation.
            return web.Response(body=b"", headers={"Content-Type": V2_TYPE})
        if path == "/openapi/v3":
            return self._serve_index(request)
        name = path.removeprefix("/openapi/v3/")
        if name not in self._bodies:
            raise PlainTextError()
        return self._serve_document(request, name)

    def _serve_index(self, request: web.Request) -> web.Response:
        if request.headers.get("If-Modified-Since") == self._since:
            return web.Response(status=304)
        paths = {path: {"serverRelativeURL": self._url(path)} for path in self._bodies}
        response = text_response(msgspec.json.encode({"paths": paths}).decode())
        response.headers["Last-Modified"] = self._since
        return response

    def _url(self, name: str) -> str:
        return f"/openapi/v3/{name}?hash={self._hashes[name]}"

    def _serve_document(self, request: web.Request, name: str) -> web.Response:
        asked = request.query.get("hash")
        if asked is not None and asked != self._hashes[name]:
            return web.Response(status=301, headers={"Location": self._url(name)})
        tag = f'"{self._hashes[name]}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        headers = [("ETag", tag), ("Vary", "Accept"), ("Last-Modified", self._since)]
        # What a URL with the hash of its content returns never changes, so kubectl may keep the
        # document forever (KEP-2896).
        if asked is None:
            headers.append(("Cache-Control", "no-cache, private"))
        else:
            headers.append(("Cache-Control", "public, immutable"))
            headers.append(("Expires", formatdate(usegmt=True, timeval=_in_a_year())))
        return json_response(self._bodies[name], headers=headers)


def _in_a_year() -> float:
    return time.time() + YEAR
