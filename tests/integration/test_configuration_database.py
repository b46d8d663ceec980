"""The database of the reference data store: durable, private, shared with commands, and lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from configuration_site import (
    ConfigurationSite,
    Pki,
    StoreClient,
    configuration_api,
    run_command,
)
from edge_site import SOURCE, Reply

from flotta.configuration_api.backup import back_up, restore
from flotta.configuration_api.database import open_database, read_once, transaction
from flotta.configuration_api.errors import DatabaseError
from flotta.configuration_api.overview import list_devices
from servers.ports import free_port
from small_disk import mount_small_disk
from waiting import eventually, wait_until


async def enrol(client: StoreClient, device: str, size: int = 0):
    info = {"features": {"hardware": {"hostname": "m" * size}}}
    return await client.device("POST", device, "enrolment", info)


async def join(site: ConfigurationSite, client: StoreClient, device: str) -> None:
    await enrol(client, device)
    assert site.command("approve", f"default/{device}").returncode == 0
    assert (await client.device("PUT", device, "registration", {})).status == 200


async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    with configuration_api(tmp_path, "--max-pending", "0") as site:
        async with site.client() as client:

            async def enrol_without_end(worker: int) -> None:
                with contextlib.suppress(aiohttp.ClientError):
                    for number in range(10_000):
                        device = f"d-{worker}-{number}"
                        if (await enrol(client, device)).status == 201:
                            acknowledged.append(device)

            workers = [asyncio.create_task(enrol_without_end(number)) for number in range(8)]
            await eventually(lambda: len(acknowledged) > 100)
            site.kill()
            await asyncio.gather(*workers)
    with configuration_api(tmp_path) as site:
        async with site.client() as client:
            for device in acknowledged:
                assert "pending" in (await client.status(device))["message"]


async def test_a_full_disk_is_an_error_and_stores_nothing(tmp_path: Path) -> None:
    with mount_small_disk(tmp_path / "disk") as disk:
        database = disk.path / "state.db"
        with configuration_api(tmp_path, database=database) as site:
            async with site.client() as client:
                await join(site, client, "before")
                filling = disk.fill()
                statuses = {(await enrol(client, f"d{n}", 15_000)).status for n in range(40)}
                assert statuses <= {201, 503}
                assert 503 in statuses
                refused = await enrol(client, "d", 15_000)
                assert "the disk of the database is full" in refused.json()["message"]
                assert int(refused.headers["Retry-After"]) > 0
                assert (await client.status("before"))["status"] == "registered"
                put = site.command("put", "default/before", "-", stdin="workloads: []")
                assert put.returncode in (0, 1)
                assert "Traceback" not in put.stderr
                filling.unlink()
                assert (await enrol(client, "d", 15_000)).status == 201, "as soon as there is room"
                assert "Traceback" not in site.log


async def test_commands_and_server_write_at_the_same_time(tmp_path: Path) -> None:
    with configuration_api(tmp_path) as site:
        async with site.client() as client:
            await join(site, client, "d")

            async def beat(number: int) -> int:
                report = {"status": "up", "events": [{"reason": str(number)}]}
                return (await client.device("PUT", "d", "heartbeat", report)).status

            async def put(number: int) -> int:
                text = json.dumps({"workloads_monitoring_interval": number})
                done = await asyncio.to_thread(site.command, "put", "default/d", "-", stdin=text)
                return done.returncode

            beats = asyncio.gather(*(beat(number) for number in range(60)))
            puts = asyncio.gather(*(put(number) for number in range(1, 5)))
            assert set(await beats) == {200}
            assert set(await puts) == {0}
            shown = json.loads(site.command("show", "default/d", "-o", "json").stdout)
            assert len(shown["report"]["events"]) == 60, "no heartbeat overwrote another"


async def test_after_the_loss_of_the_database_all_devices_are_unknown(tmp_path: Path) -> None:
    with configuration_api(tmp_path) as site:
        async with site.client() as client:
            for device in ("stays", "goes"):
                await join(site, client, device)
            site.command("unregister", "default/goes")
            version = (await client.send("GET", "changes")).json()["version"]
    for path in tmp_path.glob("state.db*"):
        path.unlink()
    with configuration_api(tmp_path) as site:
        async with site.client() as client:
            for device in ("stays", "goes"):
                assert (await client.status(device))["status"] == "unknown"
            found = (await client.send("GET", f"changes?after={version}")).json()
            assert found["complete"] is False
            assert site.command("unregister", "default/stays").returncode == 1, "not by mistake"
            assert site.command("unregister", "default/stays", "--unknown").returncode == 0
            assert (await client.status("stays"))["status"] == "unregistered"


async def test_a_database_that_is_restored_begins_with_other_versions(tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with configuration_api(tmp_path) as site:
        async with site.client() as client:
            await join(site, client, "d")
            with contextlib.closing(sqlite3.connect(site.database)) as source:
                source.execute("VACUUM INTO ?", (str(copy),))
            site.command("put", "default/d", "-", stdin="workloads: []")
            version = (await client.send("GET", "changes")).json()["version"]
    for path in tmp_path.glob("state.db*"):
        path.unlink()
    shutil.copy(copy, tmp_path / "state.db")
    with configuration_api(tmp_path) as site:
        async with site.client() as client:
            assert (await client.status("d"))["status"] == "registered"
            site.command("approve", "default/d")
            found = (await client.send("GET", f"changes?after={version}")).json()
            assert found["complete"] is False


async def test_a_file_that_is_replaced_while_the_server_runs_is_an_error(tmp_path: Path) -> None:
    with configuration_api(tmp_path) as site:
        async with site.client() as client:
            await join(site, client, "d")
            site.database.rename(tmp_path / "moved.db")
            for reply in (
                await enrol(client, "e"),
                await client.device("GET", "d", "registration"),
            ):
                assert reply.status == 503, "acknowledged, it would be lost"
                assert "was replaced or removed" in reply.json()["message"]


async def test_a_copy_is_restored_while_nobody_has_the_database_open(tmp_path: Path) -> None:
    copy, rubbish = tmp_path / "copy.db", tmp_path / "rubbish"
    make_rubbish(rubbish)
    with configuration_api(tmp_path) as site:
        async with site.client() as client:
            await enrol(client, "before")
            assert site.command("backup", str(copy)).returncode == 0
            assert stat.S_IMODE(copy.stat().st_mode) == 0o600
            with pytest.raises(DatabaseError, match="exists already"):
                back_up(site.database, copy)
            for number in range(50):
                await enrol(client, f"after-{number}", 10_000)
            refused = site.command("restore", str(copy))
            assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
            assert "is in use: stop the server" in refused.stderr
            site.kill()  # what it wrote last is beside the file
    assert (tmp_path / "state.db-wal").stat().st_size > 0
    for source, sentence in ((rubbish, "not a database"), (tmp_path / "none", "there is no file")):
        with pytest.raises(DatabaseError, match=sentence):
            restore(site.database, source)
    assert "default/after-49" in names_in(site.database), "what is refused changes nothing"
    assert site.command("restore", str(copy)).returncode == 0
    assert {path.name for path in tmp_path.glob("state.db*")} == {"state.db"}
    assert names_in(site.database) == ["default/before"]
    with contextlib.closing(open_database(site.database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def names_in(database: Path) -> list[str]:
    return [str(listed.name) for listed in read_once(database, list_devices)]


def test_the_database_is_private_whatever_the_umask(tmp_path: Path) -> None:
    with configuration_api(tmp_path) as site:
        done = site.command("put", "default/d", "-", stdin="secrets: [{name: s, data: {k: eA==}}]")
        assert done.returncode == 0, done.stderr
        for path in tmp_path.glob("state.db*"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_no_secret_is_shown_or_logged(tmp_path: Path) -> None:
    with configuration_api(tmp_path) as site:
        text = "secrets: [{name: s, data: {k: c2VjcmV0}}]"
        put = site.command("put", "default/d", "-", stdin=text)
        outputs = [put.stdout, put.stderr]
        outputs += [site.command(*words).stdout for words in (("list",), ("show", "default/d"))]
        outputs.append(site.log)
        assert not any("c2VjcmV0" in output for output in outputs)
        assert "c2VjcmV0" in site.command("get", "default/d").stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("list",), "there is no database"),
        (("show", "till-1"), "use NAMESPACE/ID"),
        (("show", "default/UP"), "lower-case letters"),
        (("put", "default/d", "/nonexistent"), "cannot be read: No such file"),
        (("put", "default/d", "/"), "cannot be read"),
        (("serve", "--listen", "127.0.0.1:0"), "--cert, --key and --client-ca are required"),
        (("serve", "--insecure-http", "--listen", "x"), "use HOST:PORT"),
        (("serve", "--insecure-http", "--listen", "0.0.0.0:0"), "for a loopback address only"),
        (("serve", "--insecure-http", "--cert", "x"), "excludes --cert"),
        (("serve", "--cert", "x", "--key", "y", "--client-ca", "z"), "TLS cannot be set up with x"),
    ],
)
def test_what_a_command_cannot_do_is_one_sentence(
    tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    done = run_command(*words, "--database", str(tmp_path / "none.db"))
    assert done.returncode in (1, 2)
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_command_for_what_is_not_there_says_so(tmp_path: Path) -> None:
    with configuration_api(tmp_path) as site:
        for words, sentence in (
            (("get", "default/d"), "nobody has put a configuration"),
            (("show", "default/d"), "is not on record"),
            (("approve", "default/d"), "has not asked to join"),
            (("unregister", "default/d"), "is not registered here"),
            (("forget", "default/d"), "is not on record"),
        ):
            done = site.command(*words)
            assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
            assert sentence in done.stderr


async def test_a_wish_that_is_not_carried_out_is_not_forgotten_by_mistake(tmp_path: Path) -> None:
    with configuration_api(tmp_path) as site:
        async with site.client() as client:
            await join(site, client, "d")
            site.command("put", "default/d", "-", stdin="workloads: []")
            site.command("unregister", "default/d")
            refused = site.command("forget", "default/d")
            assert refused.returncode == 1
            assert "would keep running" in refused.stderr
            forced = site.command("forget", "default/d", "--force", "--keep-configuration")
            assert forced.returncode == 0
            assert "configured" in site.command("list").stdout


def make_foreign(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE devices (a)")


def make_newer(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {0x666C6361}")
        connection.execute("PRAGMA user_version = 99")


def make_rubbish(path: Path) -> None:
    path.write_bytes(b"rubbish" * 1000)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (make_foreign, "is the database of another program"),
        (make_newer, "has format 99, and this release knows 1"),
        (make_rubbish, "is not a database"),
        (Path.mkdir, "is not a file"),
    ],
)
def test_a_file_that_cannot_be_used_is_left_alone(tmp_path: Path, make, sentence: str) -> None:
    path = tmp_path / "other.db"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    for words in (("serve", "--insecure-http"), ("list",), ("put", "default/d", "/dev/null")):
        done = run_command(*words, "--database", str(path))
        assert done.returncode in (1, 2)
        if words[0] != "put":
            assert sentence in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    with configuration_api(tmp_path) as site:
        listen = ("--insecure-http", "--listen", f"127.0.0.1:{site.port}")
        done = run_command("serve", *listen, "--database", str(tmp_path / "second.db"))
    assert done.returncode == 1
    assert "flotta-configuration-api: " in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


async def test_requests_that_are_held_end_with_the_server(tmp_path: Path) -> None:
    with configuration_api(tmp_path) as site:
        async with site.client() as client:
            version = (await client.send("GET", "changes")).json()["version"]
            held = asyncio.create_task(
                client.send("GET", f"changes?after={version}", Prefer="wait=90")
            )
            await enrol(client, "d")  # over another connection, later than the first
            subprocess.run(["kill", str(site.pid)], check=True)
            assert (await held).json() == {"version": version, "devices": [], "complete": True}


async def test_a_renewed_certificate_is_used_without_a_restart(tmp_path: Path) -> None:
    pki = Pki.create(tmp_path)
    port = free_port()
    words = [
        *("serve", "--listen", f"127.0.0.1:{port}", "--database", str(tmp_path / "state.db")),
        *("--cert", str(pki.files("server").certificate), "--key", str(pki.files("server").key)),
        *("--client-ca", str(pki.ca)),
    ]
    # Looks for new files more often than the program does.
    program = (
        "import flotta.configuration_api.server as server, sys; server.LOOK_SECONDS = 0.05; "
        "from flotta.cli.configuration_api import main; main(sys.argv[1:])"
    )
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", program, *words], env={"PYTHONPATH": str(SOURCE)}, stderr=log
        )
    try:
        wait_until(lambda: "Serving" in (tmp_path / "log").read_text())
        pki.write("server", pki.authority.issue_server(["127.0.0.1", "renewed.example.com"]))

        async def names() -> bool:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=pki.context())
            certificate = writer.get_extra_info("ssl_object").getpeercert()
            writer.close()
            return "renewed.example.com" in str(certificate["subjectAltName"])

        await eventually(names, tolerate=OSError)
    finally:
        server.terminate()
        server.wait()


async def test_a_client_certificate_that_has_expired_is_refused_with_a_sentence(
    tmp_path: Path,
) -> None:
    pki = Pki.create(tmp_path)
    client = "flotta-edge-api"
    pki.write("old", pki.authority.issue_client(client, (client,), days=0))
    with configuration_api(tmp_path, pki=pki) as site:
        async with site.client("old") as stranger:

            async def refused() -> Reply | None:
                answer = await stranger.device("GET", "d", "registration")
                return answer if answer.status == 403 else None

            reply = await eventually(refused)  # it ends within this second
    assert "is valid from" in reply.json()["message"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write for another user")
def test_what_root_does_leaves_the_files_to_the_service(tmp_path: Path) -> None:
    nobody = 65534
    os.chown(tmp_path, nobody, nobody)
    path = tmp_path / "state.db"
    with contextlib.closing(open_database(path, create=True)) as connection:
        with transaction(connection):
            connection.execute("UPDATE feed SET version = 1")
        for file in tmp_path.iterdir():
            status = file.stat()
            assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (nobody, 0o600), file


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_command_of_another_user_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    open_database(path, create=True).close()
    tmp_path.chmod(0o755)
    script = (
        "import os, sys; from pathlib import Path\n"
        "from flotta.configuration_api.database import open_database\n"
        "from flotta.configuration_api.errors import DatabaseError\n"
        "os.setuid(65534)\n"
        "try: open_database(Path(sys.argv[1]))\n"
        "except DatabaseError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "state.db"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "run the command as its owner, or as root" in done.stdout, done.stderr
