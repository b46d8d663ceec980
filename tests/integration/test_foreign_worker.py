"""Workers as those of yggdrasil, programs in Go (`tests/servers/yggdrasil`), under our gateway."""

from __future__ import annotations

import dataclasses
import json
import logging
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import pytest
from aiohttp import web
from device_site import DeviceFiles, running, worker_of
from small_edge_api import SmallEdgeApi

from flotta.gateway.settings import Settings
from flotta.identity.keys import public_key_fingerprint
from flotta.identity.requests import load_request
from servers.foreign_peers import Peer, peer
from waiting import eventually


@pytest.fixture
def settings(files: DeviceFiles, api: SmallEdgeApi) -> Settings:
    """Return a device that has joined."""
    files.give_identity(api.authority)
    return configured(files, api)


def configured(files: DeviceFiles, api: SmallEdgeApi) -> Settings:
    """Write its files, and make the directory of sockets, as systemd does."""
    registration = api.authority.issue_registration()
    settings = files.configure(api.server, api.authority.certificate_pem, registration)
    settings.workers_folder.mkdir()
    return settings


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def worker(
    settings: Settings, *arguments: str, program: str = "echo"
) -> AbstractAsyncContextManager[Peer]:
    environment = {"YGG_SOCKET_ADDR": f"unix:{settings.socket}"}
    log = settings.socket.parent / "peer.log"
    return peer(program, *arguments, environment=environment, log=log)


def publish(api: SmallEdgeApi, directive: str, content: dict[str, Any]) -> None:
    api.directive, api.content = directive, content
    api.change()


async def test_it_registers_receives_its_directive_and_sends_with_any(
    settings: Settings, api: SmallEdgeApi
) -> None:
    api.answers["rhc.report_2"] = web.json_response({"n": 1}, status=207, headers={"x-a": "b"})
    api.answers["page"] = web.Response(status=502, text="<html>")
    arguments = ("--handler", "rhc_playbook.2", "--features", "a=b,c=d", "--answer", "back")
    async with (
        running(settings),
        worker_of(settings) as ours,
        worker(settings, *arguments) as theirs,
    ):
        registered = await theirs.said("registered")
        assert registered["address"] == str(settings.workers_folder / "rhc_playbook.2.sock")
        assert (registered["device"], registered["key_file"]) == ("till-7", "")
        await ours.register()
        await eventually(lambda: ours.configurations)
        publish(api, "rhc_playbook.2", {"version": "2", "x": [1, None]})
        received = await theirs.said("received")
        assert received["content"] == {"version": "2", "x": [1, None]}
        await theirs.said("answered", directive="back")
        assert api.sent("back")[0]["content"] == {"version": "2", "x": [1, None]}
        assert api.sent("back")[0]["response_to"] == received["message_id"]
        answer = await theirs.send(directive="rhc.report_2", content={"a": 1}, metadata={"k": "v"})
        assert answer["response"]["StatusCode"] == 207
        assert answer["response"]["Body"] == {"n": 1}
        assert answer["response"]["Metadata"]["X-A"] == "b"
        assert api.sent("rhc.report_2")[0]["metadata"] == {"k": "v"}
        answer = await theirs.send(directive="page", content=None)
        assert (answer["response"]["StatusCode"], answer["response"]["Body"]) == (502, None)
        answer = await theirs.send(directive="https://example.com/x", content={})
        assert "a URL as directive is not supported" in answer["error"]
        await eventually(lambda: announced(api).get("device") is not None)
        assert announced(api) == {"device": {}, "rhc_playbook.2": {"a": "b", "c": "d"}}
        assert len(ours.configurations) == 1


def announced(api: SmallEdgeApi) -> dict[str, Any]:
    found: dict[str, Any] = api.events("connection-status")[-1]["dispatchers"]
    return found


async def test_what_is_for_no_worker_waits_or_is_dropped_with_a_warning(
    settings: Settings, api: SmallEdgeApi, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(settings):
        publish(api, "not a handler", {"version": "2"})
        await eventually(lambda: "there is no such worker [UnreadableMessage]" in caplog.text)
        publish(api, "later", {"version": "3"})
        await eventually(lambda: "waits until its worker registers" in caplog.text)
        async with worker(settings, "--handler", "later") as theirs:
            assert (await theirs.said("received"))["content"] == {"version": "3"}


async def test_gateway_and_worker_start_again(settings: Settings, api: SmallEdgeApi) -> None:
    async with AsyncExitStack() as stack:
        async with running(settings):
            theirs = await stack.enter_async_context(worker(settings))
            publish(api, "echo", {"version": "2"})
            await theirs.said("received", content={"version": "2"})
        async with running(settings):  # it takes over what listens already
            publish(api, "echo", {"version": "3"})
            await theirs.said("received", content={"version": "3"})
    assert (settings.workers_folder / "echo.sock").exists()
    # Killed, it left a socket behind, at which it could not listen again.
    async with running(settings), worker(settings) as again:
        await again.said("received", content={"version": "3"})


async def test_a_second_process_for_a_handler_is_refused(
    settings: Settings, api: SmallEdgeApi
) -> None:
    async with running(settings), worker(settings) as theirs:
        await theirs.said("registered")
        async with worker(settings) as second:
            assert await second.process.wait() == 1
        publish(api, "echo", {"version": "2"})
        await theirs.said("received")


async def test_a_user_that_is_not_trusted_is_refused(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    strict = dataclasses.replace(settings, users=frozenset({64321}))
    async with running(strict), worker(strict) as theirs:
        assert await theirs.process.wait() == 1
        assert "Refused a local connection of user id" in caplog.text
        assert theirs.all("registered") == []


async def test_detached_content_is_refused_and_says_what_to_do(settings: Settings) -> None:
    async with running(settings), worker(settings, "--detached") as theirs:
        assert await theirs.process.wait() == 1
    log = (settings.socket.parent / "peer.log").read_text()
    assert "code = Unimplemented" in log
    assert "register without detached_content" in log


@pytest.mark.parametrize("options", [(), ("--blind",)], ids=["knows events", "knows none"])
async def test_disconnect_is_told_to_all_and_waits_for_the_device_worker_alone(
    settings: Settings,
    api: SmallEdgeApi,
    options: tuple[str, ...],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(settings), worker(settings, *options) as theirs:
        await theirs.said("registered")
        api.command = "disconnect"
        api.change()
        await eventually(lambda: "waits until the worker device registers" in caplog.text)
        if not options:
            await theirs.said("notified", event="RECEIVED_DISCONNECT")
        assert api.events("event") == []
        async with worker_of(settings) as ours:
            await ours.register()
            await eventually(lambda: api.events("event") == ["disconnect"])
            assert ours.disconnects == 1


async def test_a_worker_that_gives_up_waiting_does_not_keep_others_from_sending(
    settings: Settings, api: SmallEdgeApi
) -> None:
    api.stuck.add("slow")
    async with running(settings), worker(settings) as theirs:
        await theirs.said("registered")
        answer = await theirs.send(directive="slow", content={}, seconds=0.3)
        assert "DeadlineExceeded" in answer["error"]
        answer = await theirs.send(directive="quick", content={})
        assert answer["response"] == {**answer["response"], "StatusCode": 200, "Body": None}


async def test_a_device_worker_joins_without_a_key_of_its_own(
    files: DeviceFiles, api: SmallEdgeApi
) -> None:
    settings = configured(files, api)
    options = ("--retry", "200ms", "--deadline", "10s")
    async with running(settings), worker(settings, *options, program="device") as theirs:
        await theirs.said("answered", directive="registration", status=200)
        await theirs.said("configured", version="1")
        await eventually(lambda: [beat["content"]["version"] for beat in api.sent("heartbeat")])
        await theirs.said("answered", directive="heartbeat", status=200)
        assert ("device", "heartbeat") in api.requests
        request = api.sent("registration")[0]["content"]
        assert json.dumps(request["hardware"]["hostname"]) == '"press-03"'
    assert files.serial == api.issued[0]


async def test_a_device_worker_that_waits_half_a_second_joins_with_the_first_key(
    files: DeviceFiles, api: SmallEdgeApi
) -> None:
    settings = configured(files, api)
    api.stuck.add("registration")
    options = ("--retry", "100ms", "--deadline", "500ms")
    async with running(settings), worker(settings, *options, program="device") as theirs:
        await theirs.said("unanswered", 2, directive="registration")
        api.stuck.clear()
        await theirs.said("answered", directive="heartbeat", status=200)
    requests = [message["content"]["certificate_request"] for message in api.sent("registration")]
    keys = {public_key_fingerprint(load_request(request).public_key()) for request in requests}
    assert len(requests) > 2
    assert len(keys) == 1
