"""What the connections to a remote data store cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from flotta.edge_api.backends.remote.problems import StoreError
from flotta.edge_api.backends.remote.transport import LARGE, Answer, Transport
from servers.ports import free_port
from waiting import eventually

SIZE = 2 * LARGE


class Server:
    """Answers `/now` and `/later`, the latter with its second half when it is let go."""

    def __init__(self) -> None:
        self.port = free_port()
        self.begun = 0
        self.gate = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x" * (SIZE - LARGE // 2))
        self.begun += 1
        if request.path == "/later":
            await self.gate.wait()
        await response.write(b"x" * (LARGE // 2))
        return response


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_get("/{path}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", made.port).start()
    yield made
    await runner.cleanup()


@pytest_asyncio.fixture
async def transport(server: Server) -> AsyncIterator[Transport]:
    made = Transport(f"http://127.0.0.1:{server.port}", lambda: None)
    yield made
    await made.close()


def ask(transport: Transport, path: str, seconds: float) -> asyncio.Task[Answer]:
    call = transport.call("GET", path, headers={}, body=None, limit=16 * 2**20, seconds=seconds)
    return asyncio.create_task(call)


async def test_large_answers_are_read_one_after_the_other_and_have_their_time(
    server: Server, transport: Transport
) -> None:
    first = ask(transport, "/later", 60)
    await eventually(transport._large.locked)
    others = [ask(transport, "/now", 0.3) for _ in range(3)]
    await eventually(lambda: server.begun == 4)

    done, _ = await asyncio.wait(others, timeout=0.5)
    assert not done  # neither read nor too late

    server.gate.set()
    for task in (first, *others):
        assert len((await asyncio.wait_for(task, 30)).body) == SIZE


async def test_a_large_answer_that_does_not_come_keeps_no_other_for_long(
    server: Server, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flotta.edge_api.backends.remote.transport.LARGE_WAIT", 0.2)
    first = ask(transport, "/later", 1)
    await eventually(transport._large.locked)
    with pytest.raises(StoreError, match="Too many large configurations") as error:
        await ask(transport, "/now", 60)
    assert not error.value.is_outage
    with pytest.raises(StoreError, match="did not answer within"):
        await first
    assert len((await ask(transport, "/now", 30)).body) == SIZE
