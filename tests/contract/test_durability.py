"""The database survives crashes and admits one server; the server's files are private."""

from __future__ import annotations

import http.client
import json
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import threading

import pytest

from contract.api import Api, config_map, core, device, devices
from contract.engine import Engine
from waiting import wait_until

ACCEPT_LOSS = [sys.executable, "-m", "flotta.cli.apiserver", "accept-loss", "--database"]


def test_kill_keeps_every_acknowledged_write(own_engine: Engine) -> None:
    own_engine.start()
    api = Api(own_engine.kubeconfig("admin"))
    acknowledged: list[list[str]] = [[] for _ in range(4)]

    def write(number: int) -> None:
        connection = api.connect()
        try:
            for index in range(100_000):
                name = f"w{number}-{index}"
                body = json.dumps(config_map(name, {"n": str(index)}))
                connection.request("POST", core("default", "configmaps"), body)
                response = connection.getresponse()
                response.read()
                if response.status == 201:
                    acknowledged[number].append(name)
        except (OSError, http.client.HTTPException):
            return  # Killed in the middle of a request: that one was not acknowledged.

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: sum(map(len, acknowledged)) > 100)
    own_engine.stop(signal.SIGKILL)
    for thread in threads:
        thread.join()
    written = {name for names in acknowledged for name in names}
    own_engine.start()
    listed = api.get(core("default", "configmaps")).body["items"]
    assert written <= {obj["metadata"]["name"] for obj in listed}
    versions = [int(obj["metadata"]["resourceVersion"]) for obj in listed]
    newer = api.create(core("default", "configmaps"), config_map("after"))
    assert int(newer["metadata"]["resourceVersion"]) > max(versions)


def test_a_newer_file_is_refused_with_a_sentence(own_engine: Engine) -> None:
    own_engine.start()
    own_engine.stop()
    with sqlite3.connect(own_engine.database) as connection:
        connection.execute("PRAGMA user_version = 99")
    done = own_engine.refusal()
    assert done.returncode != 0
    assert "was written by a newer flotta-apiserver" in done.stderr
    assert "Traceback" not in done.stderr


def test_second_server_on_one_file_is_refused(own_engine: Engine) -> None:
    own_engine.start()
    done = own_engine.refusal()
    assert done.returncode != 0
    assert "is in use by another flotta-apiserver" in done.stderr


def test_files_are_private(own_engine: Engine) -> None:
    own_engine.start()
    api = Api(own_engine.kubeconfig("admin"))
    api.create(core("default", "configmaps"), config_map("c"))
    private = [own_engine.database, *own_engine.folder.glob("state.db-wal")]
    private += [*own_engine.folder.glob("pki/*.key"), *own_engine.folder.glob("kubeconfig/*")]
    assert len(private) >= 8
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}


def test_init_changes_only_what_is_due(own_engine: Engine) -> None:
    arguments = ["--kubeconfig-dir", str(own_engine.folder / "kubeconfig")]
    arguments += ["--server", own_engine.server]
    files = {path: path.read_bytes() for path in own_engine.folder.glob("*/*")}
    assert json.loads(own_engine.command("init", *arguments).stdout) == {"changed": False}
    assert {path: path.read_bytes() for path in own_engine.folder.glob("*/*")} == files
    renewed = own_engine.command("init", *arguments, "--san", "edge.example.com")
    assert json.loads(renewed.stdout) == {"changed": True}
    changed = {path.name for path, content in files.items() if path.read_bytes() != content}
    assert changed == {"server.crt", "server.key", "s3.crt", "s3.key"}


def test_server_stops_cleanly_with_open_watches(own_engine: Engine) -> None:
    own_engine.start()
    api = Api(own_engine.kubeconfig("admin"))
    with api.watch(core("default", "configmaps")):
        assert own_engine.stop() == 0
    assert "Traceback" not in own_engine.log


def test_renewed_certificate_is_taken_over_on_reload(own_engine: Engine) -> None:
    own_engine.start()
    arguments = ["--kubeconfig-dir", str(own_engine.folder / "kubeconfig")]
    arguments += ["--server", own_engine.server, "--san", "edge.example.com"]
    assert own_engine.command("init", *arguments).returncode == 0
    api = Api(own_engine.kubeconfig("admin"))

    def names() -> set[str]:
        connection = api.connect()
        connection.connect()
        certificate = connection.sock.getpeercert()
        connection.close()
        return {name for _, name in certificate["subjectAltName"]}

    assert "edge.example.com" not in names()
    assert own_engine.process is not None
    own_engine.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "edge.example.com" in names())
    assert api.get("/readyz").status == 200


def test_old_events_expire_at_start(own_engine: Engine) -> None:
    own_engine.start()
    api = Api(own_engine.kubeconfig("admin"))
    event = {"metadata": {"generateName": "e-"}, "involvedObject": {"namespace": "default"}}
    kept = api.create(core("default", "events"), event)["metadata"]["name"]
    old = api.create(core("default", "events"), event)["metadata"]["name"]
    own_engine.stop()
    own_engine.change_stored(old, '"creationTimestamp":"2', '"creationTimestamp":"1')
    own_engine.start()
    wait_until(lambda: api.get(core("default", "events", old)).status == 404)
    assert api.get(core("default", "events", kept)).status == 200


def test_odd_json_is_refused_without_a_traceback(own_engine: Engine) -> None:
    own_engine.start()
    api = Api(own_engine.kubeconfig("admin"))
    path = core("default", "configmaps")
    assert api.post(path, b'{"metadata":{"name":"c"},"data":{"a":"\\ud800"}}').status == 400
    assert api.post(path, b'{"a":' * 100_000 + b"1" + b"}" * 100_000).status == 400
    assert api.post(path, b'{"metadata":{"name":"c"},"x":NaN}').status == 400
    assert api.post(path, b"\xff\xfe").status == 400
    assert "Traceback" not in own_engine.log


def test_full_disk_refuses_writes_and_recovers(own_engine: Engine) -> None:
    own_engine.start()
    api = Api(own_engine.kubeconfig("admin"))
    path = core("default", "configmaps")
    before = api.create(path, config_map("before"))
    assert own_engine.process is not None
    pid = own_engine.process.pid
    unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    with api.watch(path, f"resourceVersion={before['metadata']['resourceVersion']}") as watch:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, unlimited[1]))
        response = api.post(path, config_map("lost"))
        assert (response.status, response.body["reason"]) == (500, "InternalError")
        assert "could not be stored" in response.body["message"]
        assert api.get(f"{path}/lost").status == 404
        assert api.get(f"{path}/before").body == before
        assert api.merge(f"{path}/before", {"data": {"a": "lost"}}).status == 500
        resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
        assert api.merge(f"{path}/before", {"data": {"a": "b"}}).status == 200
        assert watch.next()["object"]["data"] == {"a": "b"}
    own_engine.stop(signal.SIGKILL)
    own_engine.start()
    assert api.get(f"{path}/before").body["data"] == {"a": "b"}
    assert api.get(f"{path}/lost").status == 404


def test_missing_certificates_are_reported_with_the_remedy(own_engine: Engine) -> None:
    (own_engine.folder / "pki" / "server.key").unlink()
    done = own_engine.command(
        "serve",
        "--database",
        str(own_engine.folder / "new" / "state.db"),
        "--listen",
        "127.0.0.1:0",
    )
    assert done.returncode != 0
    assert "server.key missing" in done.stderr
    assert "run `flotta-apiserver init` first" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_a_stricter_schema_would_refuse_can_still_be_changed(own_engine: Engine) -> None:
    """As on Kubernetes, only errors that the change itself makes are refused."""
    own_engine.start()
    api = Api(own_engine.kubeconfig("admin"))
    api.create(devices("default"), device("d", {"requestTime": "2026-01-01T00:00:00Z"}))
    own_engine.stop()
    own_engine.change_stored("d", "2026-01-01T00:00:00Z", "once")
    own_engine.start()
    path = devices("default", "d")
    assert api.merge(path, {"metadata": {"labels": {"a": "b"}}}).status == 200
    assert api.merge(f"{path}/status", {"status": {"phase": "up"}}).status == 200
    refused = api.merge(path, {"spec": {"heartbeat": {"periodSeconds": "often"}}})
    assert {field for _, field in refused.causes} - {"<nil>"} == {"spec.heartbeat.periodSeconds"}
    assert api.merge(path, {"spec": {"requestTime": "never"}}).status == 422
    assert api.merge(path, {"spec": {"requestTime": "2026-01-01T00:00:00Z"}}).status == 200


@pytest.mark.parametrize(
    "damage",
    [
        *("value", "page", "cut", "empty", "foreign"),
        *("missing", "short", "log", "table", "column", "format"),
        *("trigger", "view", "index", "no counter", "counters", "text", "large", "behind", "body"),
    ],
)
def test_a_damaged_database_is_noticed_at_start(own_engine: Engine, damage: str) -> None:
    own_engine.start()
    api = Api(own_engine.kubeconfig("admin"))
    for number in range(50):
        api.create(core("default", "configmaps"), config_map(f"c{number}", {"a": "before" * 100}))
    own_engine.stop()
    make_damage(own_engine, damage)
    done = own_engine.refusal()
    assert done.returncode == 65
    assert "is damaged" in done.stderr
    assert "flotta-apiserver restore" in done.stderr
    assert "Traceback" not in done.stderr


SQL_DAMAGE = {
    "table": "DROP TABLE counter",
    "column": "ALTER TABLE objects ADD COLUMN more",
    "format": "PRAGMA user_version = 0",
    "trigger": "CREATE TRIGGER t AFTER UPDATE ON counter BEGIN SELECT raise(ABORT, 'no'); END",
    "view": "CREATE VIEW v AS SELECT * FROM objects",
    "index": "CREATE INDEX i ON objects (abs(version))",
    "no counter": "DELETE FROM counter",
    "counters": "INSERT INTO counter VALUES (1)",
    "text": "UPDATE counter SET version = 'many'",
    "large": "UPDATE counter SET version = 9223372036854775807",
    "behind": "UPDATE counter SET version = 3",
}


def make_damage(engine: Engine, damage: str) -> None:
    content = engine.database.read_bytes()
    if damage == "value":
        engine.change_stored("c7", "before", "behind", honest=False)
    elif damage == "body":
        engine.change_stored("c7", '{"', "{")
    elif damage == "page":
        middle = len(content) // 2 // 4096 * 4096
        engine.database.write_bytes(
            content[:middle] + bytes(range(256)) * 16 + content[middle + 4096 :]
        )
    elif damage in SQL_DAMAGE:
        with engine.connection() as connection:
            connection.execute(SQL_DAMAGE[damage])
    elif damage == "missing":
        engine.database.unlink()
    elif damage == "log":  # the first pages are written to the log only
        engine.database.unlink()
        with engine.connection() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
    else:
        parts = {
            "cut": content[:-20_000],
            "empty": b"",
            "short": b"x",
            "foreign": b"not a database" * 500,
        }
        engine.database.write_bytes(parts[damage])


def test_damage_of_the_history_costs_only_the_history(own_engine: Engine) -> None:
    own_engine.start()
    api = Api(own_engine.kubeconfig("admin"))
    path = core("default", "configmaps")
    first = api.create(path, config_map("c", {"n": "1"}))
    second = api.merge(f"{path}/c", {"data": {"n": "2"}})
    api.merge(f"{path}/c", {"data": {"n": "3"}})
    own_engine.stop()
    with own_engine.connection() as connection:
        connection.execute(
            "UPDATE changes SET previous = x'00' WHERE version = ?", (second.version,)
        )
    own_engine.start()
    with api.watch(path, f"resourceVersion={second.version}") as watch:
        assert watch.next()["object"]["data"] == {"n": "3"}
    with api.watch(path, f"resourceVersion={first['metadata']['resourceVersion']}") as watch:
        assert watch.next()["object"]["code"] == 410


@pytest.mark.parametrize("link", ["symbolic", "hard", "relative", "folder"])
def test_second_server_by_another_name_of_the_file_is_refused(
    own_engine: Engine, link: str
) -> None:
    own_engine.start()
    other = own_engine.folder / "other"
    other.mkdir()
    named = other / "alias.db"
    if link == "symbolic":
        named.symlink_to(own_engine.database)
    elif link == "hard":
        named.hardlink_to(own_engine.database)
    elif link == "relative":
        named = other / ".." / "state.db"
    else:
        (other / "folder").symlink_to(own_engine.folder)
        named = other / "folder" / "state.db"
    done = own_engine.command("serve", "--database", str(named), "--listen", "127.0.0.1:0")
    assert done.returncode == 1
    assert "is in use by another flotta-apiserver" in done.stderr


@pytest.mark.parametrize("damage", ["missing", "middle"])
def test_a_lost_or_damaged_log_is_noticed_and_can_be_accepted(
    own_engine: Engine, damage: str
) -> None:
    path = core("default", "configmaps")
    own_engine.start()
    own_engine.stop()
    own_engine.start()
    api = Api(own_engine.kubeconfig("admin"))
    for number in range(20):
        last = api.create(path, config_map(f"c{number}", {"a": "b" * 500}))
    own_engine.stop(signal.SIGKILL)
    journal = own_engine.folder / "state.db-wal"
    content = bytearray(journal.read_bytes())
    if damage == "missing":
        journal.unlink()
    else:
        middle = len(content) // 2
        content[middle : middle + 4000] = b"\xff" * 4000
        journal.write_bytes(content)
    for _ in range(2):
        done = own_engine.refusal()
        assert done.returncode == 65
        assert "flotta-apiserver accept-loss" in done.stderr
        assert "Traceback" not in done.stderr
    accepted = subprocess.run(
        [*ACCEPT_LOSS, str(own_engine.database)],
        capture_output=True,
        text=True,
    )
    assert accepted.returncode == 0, accepted.stderr
    own_engine.start()
    new = api.create(path, config_map("new"))["metadata"]["resourceVersion"]
    assert int(new) > int(last["metadata"]["resourceVersion"]) + 1_000_000
