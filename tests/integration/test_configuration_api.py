"""The reference data store over TLS: who may speak, how a device joins, is configured, and goes."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from configuration_site import ConfigurationSite, Pki, StoreClient, configuration_api

from flotta.configuration_api.handlers import FOLLOWERS
from waiting import eventually

KEY, OTHER_KEY = "a" * 64, "b" * 64
POD = {"containers": [{"name": "a", "image": "registry.example.com/a:1"}]}
CONFIGURATION = {"workloads": [{"name": "web", "specification": POD}]}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConfigurationSite]:
    directory = tmp_path_factory.mktemp("configuration-api")
    with configuration_api(directory, pki=Pki.create(directory)) as started:
        yield started


@pytest.fixture
async def client(site: ConfigurationSite) -> AsyncIterator[StoreClient]:
    async with site.client() as opened:
        yield opened


@pytest.fixture
def device() -> str:
    return f"d-{uuid.uuid4().hex[:12]}"


async def joined(site: ConfigurationSite, client: StoreClient, device: str) -> str:
    """Let a device join; return its uid."""
    assert (await enrol(client, device)).status == 201
    assert site.command("approve", f"default/{device}").returncode == 0
    assert (await register(client, device)).status == 200
    return str((await client.status(device))["uid"])


async def enrol(client: StoreClient, device: str, key: str = KEY):
    return await client.device("POST", device, "enrolment", {"public_key_fingerprint": key})


async def register(client: StoreClient, device: str, key: str = KEY, peer: str = "registration"):
    headers = {"Flotta_Public_Key_Fingerprint": key, "Flotta_Peer": peer}
    return await client.device("PUT", device, "registration", {"hardware": {}}, **headers)


def put(site: ConfigurationSite, device: str, configuration: object = CONFIGURATION) -> str:
    done = site.command("put", f"default/{device}", "-", stdin=json.dumps(configuration))
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_a_device_joins_reports_gets_its_configuration_and_goes(
    site: ConfigurationSite, client: StoreClient, device: str
) -> None:
    assert await client.status(device) == {
        "status": "unknown",
        "namespace": "default",
        "message": f"default/{device} is not on record",
        "approved": False,
    }
    uid = await joined(site, client, device)
    found = await client.status(device)
    assert (found["status"], found["public_key_fingerprint"]) == ("registered", KEY)
    put(site, device)
    reply = await client.device("GET", device, "configuration")
    message = reply.json()["device-configuration"]
    assert (message["device_id"], message["workloads"][0]["name"]) == (device, "web")
    assert reply.headers["ETag"] == f'"{message["version"]}"'
    beat = {"status": "up", "version": message["version"], "events": None, "workloads": [None]}
    assert (await client.device("PUT", device, "heartbeat", beat)).status == 200
    assert site.command("unregister", f"default/{device}").returncode == 0
    going = await client.status(device)
    assert (going["status"], going["uid"], going["approved"]) == ("unregistered", uid, False)
    assert (await client.device("GET", device, "configuration")).status == 404
    assert (await client.device("PUT", device, "disconnect")).status == 200
    assert "gone" in site.command("list").stdout


async def test_only_the_edge_api_may_speak(site: ConfigurationSite, device: str) -> None:
    async with site.client("device") as stranger:
        reply = await stranger.device("GET", device, "registration")
    assert reply.status == 403
    assert "that of a device" in reply.json()["message"]


async def test_a_client_without_a_certificate_is_refused(site: ConfigurationSite) -> None:
    connector = aiohttp.TCPConnector(ssl=False)
    async with aiohttp.ClientSession(connector=connector) as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"{site.url}/changes")


async def test_a_server_certificate_of_the_ca_may_not_speak(
    site: ConfigurationSite, device: str
) -> None:
    assert site.pki is not None
    site.pki.write("impostor", site.pki.authority.issue_server(["flotta-edge-api"]))
    with pytest.raises(aiohttp.ClientError):  # OpenSSL wants clientAuth
        async with site.client("impostor") as stranger:
            await stranger.device("GET", device, "registration")


async def test_a_registered_device_keeps_its_key(
    site: ConfigurationSite, client: StoreClient, device: str
) -> None:
    uid = await joined(site, client, device)
    assert (await register(client, device)).status == 200, "its response may have been lost"
    refused = await register(client, device, OTHER_KEY)
    assert refused.status == 409
    assert "another key" in refused.json()["message"]
    assert (await enrol(client, device, OTHER_KEY)).status == 409
    assert (await register(client, device, OTHER_KEY, "device")).status == 200, "it renews"
    assert (await client.status(device))["uid"] == uid
    assert (await client.status(device))["public_key_fingerprint"] == OTHER_KEY


async def test_an_approval_is_for_the_key_that_asked(
    site: ConfigurationSite, client: StoreClient, device: str
) -> None:
    assert (await enrol(client, device)).status == 201
    assert (await register(client, device)).status == 404, "nobody has approved it"
    assert site.command("approve", f"default/{device}", "--key", OTHER_KEY).returncode == 1
    assert site.command("approve", f"default/{device}", "--key", KEY).returncode == 0
    assert (await client.status(device))["approved"] is True
    assert (await enrol(client, device, OTHER_KEY)).status == 409
    assert (await register(client, device, OTHER_KEY)).status == 409
    assert (await enrol(client, device)).status == 200
    assert (await register(client, device)).status == 200


async def test_what_is_not_a_fingerprint_is_refused(client: StoreClient, device: str) -> None:
    for key in ("A" * 64, "a" * 63, "../x"):
        assert (await enrol(client, device, key)).status == 400
        assert (await register(client, device, key)).status == 400
    assert (await client.status(device))["status"] == "unknown"


async def test_an_earlier_device_of_the_name_renews_nothing(
    site: ConfigurationSite, client: StoreClient, device: str
) -> None:
    uid = await joined(site, client, device)
    headers = {"Flotta_Public_Key_Fingerprint": OTHER_KEY, "Flotta_Peer": "device"}
    for of_certificate, status in (("an-earlier-one", 409), (uid, 200)):
        reply = await client.device(
            "PUT", device, "registration", {}, Flotta_Device_UID=of_certificate, **headers
        )
        assert reply.status == status


async def test_a_device_that_was_told_to_go_comes_back_when_it_is_approved_again(
    site: ConfigurationSite, client: StoreClient, device: str
) -> None:
    uid = await joined(site, client, device)
    site.command("unregister", f"default/{device}")
    assert (await register(client, device)).status == 404
    assert (await enrol(client, device, OTHER_KEY)).status == 201
    waiting = await client.status(device)
    assert (waiting["status"], waiting["uid"]) == ("unregistered", uid), "the former one still goes"
    site.command("approve", f"default/{device}")
    assert (await client.status(device))["approved"] is True
    assert (await register(client, device, OTHER_KEY)).status == 200
    found = await client.status(device)
    assert found["status"] == "registered"
    assert found["uid"] != uid


async def test_what_is_not_on_record_is_unknown_whatever_became_of_it(
    site: ConfigurationSite, client: StoreClient, device: str
) -> None:
    await joined(site, client, device)
    assert site.command("forget", f"default/{device}").returncode == 0
    assert (await client.status(device))["status"] == "unknown"
    for method, suffix in (("GET", "configuration"), ("PUT", "heartbeat"), ("PUT", "disconnect")):
        reply = await client.device(method, device, suffix, {} if method == "PUT" else None)
        assert reply.status == 404, suffix


async def test_nothing_is_served_before_a_configuration_was_put(
    site: ConfigurationSite, client: StoreClient, device: str
) -> None:
    await joined(site, client, device)
    reply = await client.device("GET", device, "configuration")
    assert reply.status == 404, "an empty configuration would remove all workloads"
    assert f"put default/{device} FILE" in reply.json()["message"]


async def test_who_has_the_version_gets_no_content(
    site: ConfigurationSite, client: StoreClient, device: str
) -> None:
    await joined(site, client, device)
    put(site, device)
    tag = (await client.device("GET", device, "configuration")).headers["ETag"]
    again = await client.device("GET", device, "configuration", If_None_Match=f'"x", {tag}')
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    put(site, device, {"workloads": []})
    changed = await client.device("GET", device, "configuration", If_None_Match=tag)
    assert changed.status == 200
    assert changed.headers["ETag"] != tag
    put(site, device)
    assert (await client.device("GET", device, "configuration")).headers["ETag"] == tag


async def test_hardware_is_asked_for_once_and_merged(
    site: ConfigurationSite, client: StoreClient, device: str
) -> None:
    await client.device("POST", device, "enrolment", {})
    site.command("approve", f"default/{device}")
    await client.device("PUT", device, "registration", {})
    asked = await client.device("PUT", device, "heartbeat", {})
    assert asked.headers["Flotta-Wanted"] == "hardware"
    for hardware in ({"hostname": "a", "cpu": {"count": 4}}, {"hostname": "b"}):
        beat = await client.device("PUT", device, "heartbeat", {"hardware": hardware})
        assert "Flotta-Wanted" not in beat.headers
    shown = json.loads(site.command("show", f"default/{device}", "-o", "json").stdout)
    assert shown["report"]["hardware"] == {"hostname": "b", "cpu": {"count": 4}}


async def test_a_heartbeat_that_comes_twice_counts_once(
    site: ConfigurationSite, client: StoreClient, device: str
) -> None:
    await joined(site, client, device)
    beat = {"status": "up", "events": [{"reason": "Started", "message": "m"}]}
    for message_id in ("1", "1", "2"):
        reply = await client.device("PUT", device, "heartbeat", beat, Flotta_Message_ID=message_id)
        assert reply.status == 200
    shown = json.loads(site.command("show", f"default/{device}", "-o", "json").stdout)
    assert len(shown["report"]["events"]) == 2


async def test_a_change_by_a_command_ends_the_wait_for_changes(
    site: ConfigurationSite, client: StoreClient, device: str
) -> None:
    version = (await client.send("GET", "changes")).json()["version"]
    waiting = asyncio.create_task(client.send("GET", f"changes?after={version}", Prefer="wait=50"))
    await asyncio.sleep(0)
    await asyncio.to_thread(put, site, device)
    found = (await waiting).json()
    assert found["complete"] is True
    assert found["devices"] == [f"default/{device}"]
    assert found["version"] > version


@pytest.mark.parametrize("after", ["0", "1", str(2**62)])
async def test_a_version_that_the_server_did_not_give_means_that_all_may_have_changed(
    client: StoreClient, after: str
) -> None:
    found = (await client.send("GET", f"changes?after={after}", Prefer="wait=50")).json()
    assert (found["complete"], found["devices"]) == (False, [])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "namespaces/default/devices/UP/registration", 400),
        ("GET", f"namespaces/default/devices/{'a' * 65}/registration", 400),
        ("GET", "namespaces/a.b/devices/d/registration", 400),
        ("GET", "namespaces/default/devices/..%2Fd/registration", 400),
        ("GET", "changes?after=-1", 400),
        ("GET", "changes?after=x", 400),
        ("GET", f"changes?after={'0' * 5000}", 400),
        ("GET", "nothing", 404),
        ("DELETE", "changes", 405),
        ("POST", "namespaces/default/devices/d/enrolment", 415),
    ],
)
async def test_what_is_refused_has_a_sentence(
    client: StoreClient, method: str, path: str, status: int
) -> None:
    reply = await client.send(method, path)
    assert reply.status == status
    assert reply.json()["message"]


async def test_a_body_of_many_objects_is_refused(client: StoreClient, device: str) -> None:
    reply = await client.device("POST", device, "enrolment", {"additions": [{}] * 33_000})
    assert reply.status == 400
    assert "objects" in reply.json()["message"]


def raw_head(site: ConfigurationSite, *lines: str, body: str = "") -> str:
    """Send the head of a request, and no other body; return what comes before more is sent."""
    assert site.pki is not None
    request = "\r\n".join([*lines, "Host: store", "Content-Type: application/json", "", body])
    with (
        socket.create_connection(("127.0.0.1", site.port), timeout=20) as connection,
        site.pki.context().wrap_socket(connection, server_hostname="127.0.0.1") as tls,
    ):
        tls.sendall(request.encode("latin-1"))
        return tls.recv(65_536).decode()


@pytest.mark.parametrize(("suffix", "status"), [("devices/d/enrolment", "413"), ("nothing", "404")])
def test_a_body_that_is_not_read_ends_the_connection(
    site: ConfigurationSite, suffix: str, status: str
) -> None:
    path = f"/api/flotta-backend/v1/namespaces/default/{suffix}"
    answer = raw_head(site, f"POST {path} HTTP/1.1", "Content-Length: 99999999999")
    assert answer.startswith(f"HTTP/1.1 {status} "), "at once"
    assert "connection: close" in answer.lower()


@pytest.mark.parametrize("header", ["Flotta-Registration-Batch", "Flotta-Message-ID"])
def test_a_header_that_is_not_utf8_is_refused(site: ConfigurationSite, header: str) -> None:
    method, suffix = ("POST", "enrolment") if "Batch" in header else ("PUT", "heartbeat")
    path = f"/api/flotta-backend/v1/namespaces/default/devices/d/{suffix}"
    lines = (f"{method} {path} HTTP/1.1", f"{header}: \xff", "Transfer-Encoding: chunked")
    answer = raw_head(site, *lines, body="2\r\n{}\r\n0\r\n\r\n")
    assert answer.startswith("HTTP/1.1 400 "), answer
    assert f"{header} is not UTF-8" in answer


async def test_only_so_many_requests_wait_for_changes(
    site: ConfigurationSite, client: StoreClient
) -> None:
    version = (await client.send("GET", "changes")).json()["version"]
    held = f"changes?after={version}"
    waiting = [
        asyncio.create_task(client.send("GET", held, Prefer="wait=50"))
        for _ in range(FOLLOWERS + 1)
    ]
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert [task.result().status for task in done] == [503], "one too many, whichever came last"
    assert (await client.send("GET", held)).status == 200, "who does not wait takes no place"
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

    async def served() -> bool:
        return (await client.send("GET", held, Prefer="wait=1")).status == 200

    await eventually(served)


def test_the_files_of_the_database_are_private(site: ConfigurationSite) -> None:
    for path in site.directory.glob("state.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


async def test_so_many_devices_may_wait_for_approval(tmp_path: Path) -> None:
    with configuration_api(tmp_path, "--max-pending", "2") as site:
        async with site.client() as client:
            assert [(await enrol(client, f"d{index}")).status for index in range(3)] == [
                201,
                201,
                429,
            ]
            assert (await enrol(client, "d0")).status == 201, "it waits already"
            site.command("approve", "default/d0")
            assert (await enrol(client, "d2")).status == 201


async def test_every_device_may_register_if_the_server_says_so(tmp_path: Path) -> None:
    with configuration_api(tmp_path, "--auto-approve") as site:
        async with site.client() as client:
            assert (await enrol(client, "d0")).status == 200
            assert (await register(client, "d0")).status == 200
            site.command("unregister", "default/d0")
            assert (await enrol(client, "d0")).status == 201, "not one that was told to go"
