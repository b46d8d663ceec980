"""An Edge API whose certificates are in a directory, and the commands on that directory."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from edge_site import Device, Site
from memory_backend import MemoryBackend, MemoryDevice
from memory_site import ENVIRONMENT
from test_modules import run_and_register

from flotta.cli.flotta import main
from flotta.edge_api.backends.files.stores import Files
from flotta.edge_api.metrics import EdgeApiMetrics
from flotta.edge_api.server import EdgeApiServer
from flotta.edge_api.settings import Settings
from flotta.identity.authority import CertificateAndKey
from flotta.identity.errors import IdentityError
from flotta.identity.keys import key_to_pem, load_key, new_key
from flotta.identity.lifetime import covered_names, load_certificate
from waiting import eventually

Run = Callable[..., tuple[int, str]]


class FilesBackend(MemoryBackend):
    """Devices in memory, certificates in a directory."""

    wants_certificate = True

    def __init__(self, files: Files) -> None:
        super().__init__()
        self.files = files
        self.secrets, self.authority = files.secrets, files.authority  # type: ignore[assignment]

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.files.run())
            group.create_task(super().run())


class FilesSite:
    def __init__(self, server: EdgeApiServer, backend: FilesBackend, path: Path) -> None:
        self.server, self.backend, self.path = server, backend, path

    def device(self, folder: Path) -> Device:
        """Return device `till-7` with what `flotta registration issue --output` wrote."""
        site = Site(self.path.parent, Path(), self.server.port, self.server.monitoring_port, {})
        names = ("client.crt", "client.key")
        pair = CertificateAndKey(*((folder / name).read_bytes() for name in names))
        return Device(site, (folder / "ca.crt").read_bytes(), "till-7", pair)


@asynccontextmanager
async def files_site(path: Path) -> AsyncIterator[FilesSite]:
    backend = FilesBackend(Files(path))
    settings = Settings.from_environment({**ENVIRONMENT, "BACKEND": "crd"})
    server = EdgeApiServer(settings, EdgeApiMetrics(), backend)
    await server.start()
    try:
        yield FilesSite(server, backend, path)
    finally:
        await server.stop()


@pytest_asyncio.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FilesSite]:
    monkeypatch.setattr("flotta.edge_api.backends.files.watch.INTERVAL", 0.2)
    async with files_site(tmp_path / "certificates") as started:
        yield started


@pytest.fixture
def run(site: FilesSite, capsys: pytest.CaptureFixture[str]) -> Callable[..., object]:
    async def command(*words: str) -> tuple[int, str]:
        """Run `flotta` on the directory; return exit code and what it printed."""
        try:
            await asyncio.to_thread(main, [*words, "--certificates-dir", str(site.path)])
        except SystemExit as error:
            if isinstance(error.code, str):
                return 1, error.code
            return error.code or 0, capsys.readouterr().out
        return 0, capsys.readouterr().out

    return command


def secrets_of(path: Path) -> dict[str, set[str]]:
    return {item.name: {file.name for file in item.iterdir()} for item in path.iterdir()}


async def test_an_edge_api_makes_its_certificates_in_an_empty_directory(site: FilesSite) -> None:
    made = secrets_of(site.path)
    (batch,) = (name for name in made if name.startswith("reg-client-ca-"))
    assert {name: keys for name, keys in made.items() if name != "flotta-certificates"} == {
        "flotta-ca": {"ca.crt", "ca.key"},
        "flotta-host-certificate": {"server.crt", "server.key", "client.crt", "client.key"},
        batch: {".registration", "batch", "ca.crt", "client.crt", "client.key"},
    }
    await eventually(lambda: (site.path / "flotta-certificates/server.crt").exists())
    for key in site.path.rglob("*.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert not list(site.path.joinpath("flotta-certificates").glob("*.key"))


async def test_a_device_joins_with_what_the_command_issued(
    site: FilesSite, run: Run, tmp_path: Path
) -> None:
    issue = ("registration", "issue", "stick", "--output", str(tmp_path / "stick"))
    code, said = await run(*issue, "--uses", "1", "--automatic", "--device-id", "till-*")
    sentence = "--automatic, --uses without a --device-id for each would have no effect"
    assert (code, sentence in said) == (1, True), said
    code, said = await run(*issue, "--uses", "3", "--device-id", "till-7")
    assert (code, said.startswith("stick is issued, until ")) == (0, True), said
    device = site.device(tmp_path / "stick")
    site.backend.devices["till-7"] = MemoryDevice()
    assert (await device.enrol()).status == 208
    assert (await device.register()).status == 200
    assert (await device.beat(agent_version="3")).status == 200

    code, said = await run("registration", "list")
    assert (code, "stick" in said, "3" in said) == (0, True, True)
    assert await run("registration", "revoke", "stick") == (
        0,
        "stick is revoked: its certificate is refused, and its key is removed. Devices that joined "
        "stay. Requests that waited for a decision and are deleted: 0.\n",
    )
    await eventually(lambda: not (site.path / "stick/client.key").exists())
    stranger = site.device(tmp_path / "stick")
    assert (await stranger.enrol()).json()["reason"] == "RegistrationRevoked"
    assert (await run("registration", "remove", "stick"))[0] == 0
    assert "stick" not in secrets_of(site.path)
    await stranger.close()
    await device.close()


async def test_another_server_gets_its_certificate(
    site: FilesSite, run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    issue = ("certificates", "issue", "--server", "Store.example,192.0.2.7", "--server", "store")
    code, said = await run(*issue, "--output", str(folder))

    assert (code, said.startswith("server-store-example is issued for store.example, ")) == (
        0,
        True,
    ), said
    pem = (folder / "server.crt").read_bytes()
    assert covered_names(pem) == {"store.example", "192.0.2.7", "store"}
    key = load_key((folder / "server.key").read_bytes())
    assert load_certificate(pem).public_key() == key.public_key()
    assert stat.S_IMODE((folder / "server.key").stat().st_mode) == 0o600
    assert (folder / "ca.crt").read_bytes() == (site.path / "flotta-ca/ca.crt").read_bytes()
    assert "PRIVATE KEY" not in said
    await run(*issue, "--output", str(folder))
    assert (folder / "server.crt").read_bytes() == pem

    _, said = await run("certificates")
    assert "other server   server-store-example" in said
    expiry = 'flotta_api_certificate_expiry_timestamp_seconds{kind="%s",name="%s"}'
    for known in (("client", "flotta-host-certificate"), ("server", "flotta-host-certificate")):
        assert expiry % known in await metrics_of(site)
    assert "The certificates of devices are not known here" in said
    code, said = await run("certificates", "issue", "--server", "other", "--name", "flotta-ca")
    assert (code, "the Edge API keeps something else in flotta-ca" in said) == (1, True), said
    code, said = await run("registration", "issue", "flotta-ca")
    assert (code, "the Edge API keeps something else in flotta-ca" in said) == (1, True), said


async def metrics_of(site: FilesSite) -> str:
    url = f"http://127.0.0.1:{site.server.monitoring_port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return await response.text()


async def test_the_module_works_on_the_directory(site: FilesSite, tmp_path: Path) -> None:
    def ask() -> dict[str, Any]:
        given = {"certificates_dir": str(site.path), "names": ["store"]}
        return run_and_register("server_certificate", Path("none"), tmp_path, **given)

    issued = await asyncio.to_thread(ask)
    assert (issued["changed"], issued["name"]) == (True, "server-store")
    assert (site.path / "server-store/server.key").read_text() == issued["key"]
    assert "PRIVATE KEY" not in issued["told"]


async def test_a_request_by_hand_that_is_wrong_says_why_and_is_mended_by_the_command(
    site: FilesSite, run: Run
) -> None:
    request = site.path / "store"
    request.mkdir(mode=0o700)
    (request / "request").write_text('{"names": ["a b"]}')
    problem = request / ".problem"
    await eventually(problem.exists)

    assert "ServerRequestInvalid: 'a b' is neither a DNS name nor" in problem.read_text()
    code, said = await run("certificates", "issue", "--server", "store", "--name", "store")
    assert (code, said.split(",")[0]) == (0, "store is issued for store"), said
    assert not problem.exists()


async def test_the_ca_is_rolled_over_and_finishing_needs_force(site: FilesSite, run: Run) -> None:
    former = (site.path / "flotta-ca/ca.crt").read_bytes()
    assert (await run("certificates", "roll-ca"))[0] == 0
    await eventually(lambda: len(site.backend.followed) == 2)
    trust, certificate, _ = site.backend.followed[-1]
    assert trust.endswith(former)
    assert certificate.count(b"BEGIN CERTIFICATE") == 2  # the cross certificate is behind it

    code, said = await run("certificates", "finish-ca")
    assert (code, "The data store does not tell which devices" in said) == (1, True), said
    code, said = await run("certificates", "finish-ca", "--force")
    assert (code, "all that were not heard from since the rollover" in said) == (0, True), said
    assert former not in (site.path / "flotta-ca/ca.crt").read_bytes()


async def test_certificates_survive_the_server(tmp_path: Path) -> None:
    path = tmp_path / "certificates"
    async with files_site(path):
        pass
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    async with files_site(path):
        pass
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("flotta-ca/ca.key", "'flotta-ca' cannot be used: The private key cannot be read"),
        ("flotta-ca/ca.crt", "'flotta-ca' cannot be used: The CA certificate is not a readable"),
        ("flotta-host-certificate/server.key", "cannot be used: The private key cannot be read"),
    ],
)
async def test_a_file_that_was_half_written_by_hand_is_named_and_stays(
    tmp_path: Path, file: str, sentence: str
) -> None:
    path = tmp_path / "certificates"
    async with files_site(path):
        pass
    half = (path / file).read_bytes()[:60]
    (path / file).write_bytes(half)
    before = secrets_of(path)

    with pytest.raises(IdentityError, match=sentence):
        await start_once(path)
    assert (path / file).read_bytes() == half
    assert secrets_of(path) == before


async def test_what_is_wrong_with_the_certificate_for_the_store_keeps_nothing_else_from_its_own(
    site: FilesSite, run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    led = site.backend.followed[-1]
    client = site.path / "flotta-host-certificate/client.crt"
    client.write_bytes(client.read_bytes()[:60])
    sentence = "client.crt in Secret flotta-host-certificate is not a readable PEM certificate"
    await eventually(lambda: sentence in caplog.text)

    code, said = await run("certificates", "issue", "--server", "store", "--timeout", "20")
    assert (code, "is issued for store" in said) == (0, True), said
    assert site.backend.followed[-1] == led  # the one before stays in use
    async with files_site(site.path) as again:
        assert again.backend.followed[-1][1:] == (b"", b"")
        (site.path / "flotta-host-certificate/client.key").unlink()
        client.unlink()
        await eventually(lambda: again.backend.followed[-1][1] != b"")


async def test_a_pair_that_does_not_fit_is_not_served_and_ends_no_server(
    site: FilesSite, run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As while somebody writes one file after the other."""
    await run("registration", "issue", "stick", "--output", str(tmp_path / "stick"))
    key = site.path / "flotta-host-certificate/server.key"
    good = key.read_bytes()
    key.write_bytes(key_to_pem(new_key()))
    sentence = "server.key is not the key of server.crt. Write a certificate and its key"
    await eventually(lambda: sentence in caplog.text)

    device = site.device(tmp_path / "stick")
    assert (await device.enrol()).status == 200
    await device.close()
    assert not any(task.done() for task in site.server._tasks)
    key.write_bytes(good)


async def test_servers_that_start_at_the_same_time_share_one_ca(tmp_path: Path) -> None:
    path = tmp_path / "certificates"
    async with files_site(path) as first, files_site(path) as second:
        assert first.server.port != second.server.port
        trusts = {backend.followed[0] for backend in (first.backend, second.backend)}
        assert len(trusts) == 1
    await asyncio.gather(*(start_once(tmp_path / "other") for _ in range(4)))
    names = [name for name in os.listdir(tmp_path / "other") if name.startswith("reg-client-ca-")]
    assert len(names) == 1


async def test_what_is_wrong_with_the_directory_keeps_a_server_waiting_and_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "certificates"
    path.mkdir(mode=0o700)
    path.chmod(0o777)
    async with asyncio.TaskGroup() as group:
        starting = group.create_task(start_once(path))
        await eventually(lambda: "Close it: chmod 711" in caplog.text)
        assert not starting.done()
        path.chmod(0o711)
    assert "flotta-ca" in os.listdir(path)


async def start_once(path: Path) -> None:
    async with files_site(path):
        pass


@pytest.mark.parametrize("words", [("registration", "list"), ("certificates",)])
def test_a_directory_that_is_not_there_is_named(tmp_path: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit, match="name the CERTIFICATES_DIR of the Edge API, on its host"):
        main([*words, "--certificates-dir", str(tmp_path / "missing")])
    assert not (tmp_path / "missing").exists()


def test_a_directory_that_nobody_else_may_see_asks_for_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", denied)
    with pytest.raises(SystemExit, match="cannot be looked at: Permission denied; run as root"):
        main(["certificates", "--certificates-dir", str(tmp_path)])


async def test_an_edge_api_with_neither_names_both_places(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    environment = {"BACKEND": "remote", "REMOTE_BACKEND_URL": "https://store.example"}
    with pytest.raises(ValueError, match=r"set KUBECONFIG .* set CERTIFICATES_DIR to a directory"):
        await EdgeApiServer.create(Settings.from_environment(environment))
