"""The Edge API's Secrets: created once by many replicas, renewed when due."""

from __future__ import annotations

import asyncio
import logging
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from operator_site import resource_api

from flotta.edge_api.backends.backend import SecretConflict
from flotta.edge_api.backends.resource_api.secrets import Secrets
from flotta.edge_api.certificates import Certificates
from flotta.edge_api.settings import Settings
from flotta.identity.lifetime import covered_names
from flotta.resources.cache import Cache
from flotta.resources.client import Client
from flotta.resources.kinds import SECRET
from flotta.resources.objects.core import Secret
from pkcs8 import to_pkcs8


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    with resource_api(tmp_path_factory.mktemp("certificates"), "embedded") as access:
        yield access


@pytest_asyncio.fixture
async def admin(access: Callable[[str], Path]) -> AsyncIterator[Client]:
    async with await Client.connect(str(access("admin"))) as opened:
        for secret in await opened.list(SECRET, "flotta"):
            await opened.delete(SECRET, secret["metadata"]["name"], "flotta")
        yield opened


@pytest_asyncio.fixture
async def client(access: Callable[[str], Path], admin: Client) -> AsyncIterator[Client]:
    async with await Client.connect(str(access("edge-api"))) as opened:
        yield opened


def secrets_of(client: Client) -> Secrets:
    return Secrets(client, "flotta", Cache(client, SECRET))


def certificates(client: Client, settings: Settings) -> Certificates:
    return Certificates(secrets_of(client), settings)


async def test_replicas_that_start_together_agree(client: Client) -> None:
    replicas = [certificates(client, Settings()) for _ in range(6)]

    found = await asyncio.gather(*(replica.ensure() for replica in replicas))

    assert len({material.authority.certificate_pem for material in found}) == 1
    assert len({material.server for material in found}) == 1
    assert len(await client.list(SECRET, "flotta", label_selector="reg-client-ca=true")) == 1


async def test_replicas_that_renew_together_agree(client: Client) -> None:
    await certificates(client, Settings()).ensure()
    named = Settings(server_names=("new.example",))
    replicas = [certificates(client, named) for _ in range(6)]

    found = await asyncio.gather(*(replica.ensure(starting=True) for replica in replicas))

    assert len({material.server for material in found}) == 1


async def test_a_second_start_changes_nothing(client: Client) -> None:
    await certificates(client, Settings()).ensure()
    before = await client.list(SECRET, "flotta")

    await certificates(client, Settings()).ensure(starting=True)

    assert await client.list(SECRET, "flotta") == before


def keys_of(secrets: list[Secret]) -> dict[str, bytes]:
    return {
        f"{secret['metadata']['name']}/{entry}": b64decode(value)
        for secret in secrets
        for entry, value in secret["data"].items()
        if entry.endswith(".key")
    }


async def write_pkcs8(admin: Client) -> dict[str, bytes]:
    """Put all keys in the form in which former releases wrote them; return the keys as they were.

    What others added to the Secrets has to stay.
    """
    secrets = await admin.list(SECRET, "flotta")
    for secret in secrets:
        keys = {
            entry: b64encode(to_pkcs8(b64decode(value))).decode()
            for entry, value in secret["data"].items()
            if entry.endswith(".key")
        }
        extra = {"note": b64encode(b"ours").decode()}
        metadata = secret["metadata"] | {"annotations": {"owner": "us"}}
        data = secret["data"] | keys | extra
        await admin.replace(SECRET, {**secret, "metadata": metadata, "data": data})
    return keys_of(secrets)


async def test_keys_of_former_releases_are_rewritten_at_the_start_and_stay_the_same(
    client: Client, admin: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    first = await certificates(client, Settings()).ensure(starting=True)
    written = await write_pkcs8(admin)
    assert len(written) == 3
    replicas = [certificates(client, Settings()) for _ in range(4)]

    found = await asyncio.gather(*(replica.ensure(starting=True) for replica in replicas))

    assert {material.server for material in found} == {first.server}
    secrets = await admin.list(SECRET, "flotta")
    assert keys_of(secrets) == written
    assert {key.splitlines()[0] for key in written.values()} == {b"-----BEGIN EC PRIVATE KEY-----"}
    assert {b64decode(secret["data"]["note"]) for secret in secrets} == {b"ours"}
    assert all(secret["metadata"]["annotations"] == {"owner": "us"} for secret in secrets)
    assert "it is the same key" in caplog.text
    assert "PRIVATE KEY" not in caplog.text

    await certificates(client, Settings()).ensure(starting=True)
    assert await admin.list(SECRET, "flotta") == secrets


async def test_only_a_start_rewrites_keys(client: Client, admin: Client) -> None:
    """A tool that keeps its own form must not make both write again and again."""
    await certificates(client, Settings()).ensure(starting=True)
    await write_pkcs8(admin)
    before = await admin.list(SECRET, "flotta")

    material = await certificates(client, Settings()).ensure()

    material.make_context()
    assert await admin.list(SECRET, "flotta") == before


async def test_a_secret_that_may_not_change_does_not_stop_the_start(
    client: Client, admin: Client, caplog: pytest.LogCaptureFixture
) -> None:
    await certificates(client, Settings()).ensure(starting=True)
    await write_pkcs8(admin)
    ca = await admin.get(SECRET, "flotta-ca", "flotta")
    await admin.replace(SECRET, {**ca, "immutable": True})

    material = await certificates(client, Settings()).ensure(starting=True)

    material.make_context()
    assert "The key in Secret flotta-ca stays PKCS#8" in caplog.text
    kept = keys_of(await admin.list(SECRET, "flotta"))
    assert kept["flotta-ca/ca.key"].startswith(b"-----BEGIN PRIVATE KEY-----")


async def test_a_replica_with_older_settings_follows_the_newest(client: Client) -> None:
    old = certificates(client, Settings(server_names=("old.example",)))
    await old.ensure(starting=True)
    newest = certificates(client, Settings(server_names=("new.example",)))
    new = await newest.ensure(starting=True)

    assert (await old.ensure()).server == new.server


async def test_new_names_and_a_lost_ca_give_a_new_server_certificate(
    client: Client, admin: Client
) -> None:
    first = await certificates(client, Settings()).ensure()
    named = Settings(server_names=("control.example", "10.0.0.5"))

    second = await certificates(client, named).ensure(starting=True)
    await admin.delete(SECRET, "flotta-ca", "flotta")
    third = await certificates(client, named).ensure()

    assert second.server != first.server
    assert covered_names(second.server.certificate) == {"control.example", "10.0.0.5"}
    assert third.server != second.server
    third.make_context()  # certificate and key belong together


async def test_registration_certificates_name_their_namespaces(client: Client) -> None:
    await certificates(client, Settings()).ensure()
    settings = Settings(registration_namespaces=("plant-7", "default"))

    await certificates(client, settings).ensure()
    await certificates(client, settings).ensure()

    secrets = await client.list(SECRET, "flotta", label_selector="reg-client-ca=true")
    assert len(secrets) == 2
    assert all(
        b64decode(secret["data"]["client.crt"]).startswith(b"-----BEGIN") for secret in secrets
    )


async def test_a_secret_that_others_changed_meanwhile_is_not_replaced(client: Client) -> None:
    secrets = secrets_of(client)
    first = await secrets.create("mine", {"a": b"1"}, registration=True)
    await secrets.replace(first, {"a": b"2"})

    with pytest.raises(SecretConflict):
        await secrets.replace(first, {"a": b"3"})

    (found,) = await secrets.list_registration_secrets()  # the label stayed
    assert (found.name, found.data) == ("mine", {"a": b"2"})
