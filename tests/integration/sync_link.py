"""A link between device and S3 server, in the test's own process."""

from __future__ import annotations

import asyncio

from servers.ports import free_port


class Link:
    """A TCP link to the S3 server that can be cut and slowed; it stands still with the test."""

    def __init__(self, endpoint: str) -> None:
        host, port = endpoint.removeprefix("https://").split(":")
        self._to = (host, int(port))
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.delay = 0.0
        self.port = free_port()

    @property
    def endpoint(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    async def up(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def down(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        for writer in self._writers:
            if not writer.is_closing():  # a transport that has closed cannot be aborted
                writer.transport.abort()
        self._writers.clear()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._to)
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
                if self.delay and len(data) > 4096:
                    await asyncio.sleep(self.delay)
        except ConnectionError:
            pass
        writer.close()
