"""Sending a watch to a client: a JSON object per line, chunked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from aiohttp import web

from flotta.apiserver.http import table
from flotta.apiserver.http.handlers import Call
from flotta.apiserver.http.negotiation import JSON, Media, negotiate
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.objects.lists import parse_selection
from flotta.apiserver.objects.watch import Watch, WatchEvent, parse_watch
from flotta.apiserver.registry import ServedResource

MAX_WRITE = 256 * 1024  # bytes, after which a batch continues in another write


class WatchEncoder:
    """Turns events into lines; only the first Table has column definitions."""

    def __init__(self, resource: ServedResource, media: Media, include: str) -> None:
        self._resource = resource
        self._media = media
        self._include = include
        self._columns = True

    def encode_line(self, event: WatchEvent) -> bytes:
        """Return the line of an event, with its newline."""
        return b'{"type":"%b","object":%b}\n' % (event.type.encode(), self._encode_object(event))

    def _encode_object(self, event: WatchEvent) -> bytes:
        if event.type == "ERROR" or not self._media.transform:
            return event.record.raw if event.record else msgspec.json.encode(event.obj)
        obj = event.record.load() if event.record else event.obj or {}
        return msgspec.json.encode(self._transform(event.type, obj))

    def _transform(self, kind: str, obj: JsonObject) -> JsonObject:
        if self._media.transform != "Table":
            return table.make_partial(obj, f"meta.k8s.io/{self._media.version}")
        columns, self._columns = self._columns, False
        if kind == "BOOKMARK":
            return table.make_bookmark_table(self._resource, obj, self._media, columns=columns)
        meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
        return table.make_table(
            self._resource, [obj], meta, self._media, self._include, columns=columns
        )


class Streams:
    """All running watches, so that they can be ended when the server stops."""

    def __init__(self) -> None:
        self._running: set[Watch] = set()

    def stop(self) -> None:
        """End every running watch."""
        for watch in self._running:
            watch.stop()

    async def serve(self, call: Call) -> web.StreamResponse:
        """Respond to a watch request until it ends."""
        request = call.request
        media = negotiate(request.headers.get("Accept"), watch=True)
        selection = parse_selection(call.resource, call.target.namespace or None, request.query)
        watch = Watch(call.objects.store, selection, parse_watch(request.query))
        encoder = WatchEncoder(call.resource, media, call.include(media))
        response = web.StreamResponse(headers={"Content-Type": JSON})
        response.enable_chunked_encoding()
        await response.prepare(request)
        self._running.add(watch)
        try:
            async for batch in watch.events():
                for piece in _join_lines(map(encoder.encode_line, batch)):
                    await response.write(piece)
        except ConnectionError:
            return response
        finally:
            self._running.discard(watch)
        await response.write_eof()
        return response


def _join_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Join lines into writes of at least MAX_WRITE bytes, the last one excepted.

    Lines are taken one by one, so that not all objects of a kind are encoded at a time.
    """
    piece = bytearray()
    for line in lines:
        piece += line
        if len(piece) >= MAX_WRITE:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)
