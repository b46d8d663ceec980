"""The history, from which watches resume, is bounded by its bytes, on the disk and in memory."""

from __future__ import annotations

from contract.api import Api, config_map, core
from contract.engine import Engine

MIB = 1024 * 1024
LITTLE = ("--kept-bytes", str(4 * MIB))


def flood(api: Api, changes: int) -> str:
    """Change a large object; return the version before it."""
    path = core("default", "configmaps")
    created = api.create(path, config_map("flood"))
    for number in range(changes):
        change = {"data": {"a": f"{number}" + "x" * 500_000}}
        assert api.merge(f"{path}/flood", change).status == 200
    version: str = created["metadata"]["resourceVersion"]
    return version


def resident(engine: Engine) -> int:
    """Return the bytes of memory of the server."""
    assert engine.process is not None
    with open(f"/proc/{engine.process.pid}/status") as status:
        line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def disk(engine: Engine) -> int:
    """Return the bytes of the database and its write-ahead log."""
    return sum(path.stat().st_size for path in engine.folder.glob("state.db*[bl]"))


def test_a_flood_of_large_changes_leaves_memory_and_disk_as_they_were(own_engine: Engine) -> None:
    own_engine.start(*LITTLE)
    api = Api(own_engine.kubeconfig("admin"))
    before = resident(own_engine)
    old = flood(api, 120)
    assert resident(own_engine) - before < 45 * MIB
    assert disk(own_engine) < 45 * MIB
    with api.watch(core("default", "configmaps"), f"resourceVersion={old}") as watch:
        event = watch.next()
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
    own_engine.stop()
    own_engine.start(*LITTLE)
    assert resident(own_engine) - before < 45 * MIB


def test_what_is_within_the_bound_is_resumed_after_a_restart(own_engine: Engine) -> None:
    own_engine.start()
    api = Api(own_engine.kubeconfig("admin"))
    path = core("default", "configmaps")
    first = api.create(path, config_map("a", {"n": "1"}, labels={"l": "1"}))
    api.merge(f"{path}/a", {"data": {"n": "2"}, "metadata": {"labels": {"l": "2"}}})
    api.delete(f"{path}/a")
    api.create(path, config_map("a", {"n": "3"}, labels={"l": "1"}))
    query = f"resourceVersion={first['metadata']['resourceVersion']}"
    seen = {}
    for selector in ("", "&labelSelector=l%3D1", "&labelSelector=l%3D2"):
        with api.watch(path, query + selector) as watch:
            seen[selector] = watch.take(2 if selector else 3)
    own_engine.stop()
    own_engine.start()
    for selector, events in seen.items():
        with api.watch(path, query + selector) as watch:
            assert watch.take(len(events)) == events
    assert [event["type"] for event in seen[""]] == ["MODIFIED", "DELETED", "ADDED"]
    page = api.get(f"{path}?{query}&resourceVersionMatch=Exact").body["items"]
    assert [item["data"] for item in page if item["metadata"]["name"] == "a"] == [{"n": "1"}]


def test_the_first_changes_are_kept_and_the_version_too(own_engine: Engine) -> None:
    """A file of the former format is migrated: its history is gone, its versions go on."""
    own_engine.start()
    api = Api(own_engine.kubeconfig("admin"))
    path = core("default", "configmaps")
    kept = api.create(path, config_map("kept"))
    api.create(path, config_map("gone"))
    newest = api.delete(f"{path}/gone")
    assert newest.status == 200
    version = int(api.get(path).body["metadata"]["resourceVersion"])
    own_engine.stop()
    make_former_format(own_engine, version)
    own_engine.start()
    assert api.get(f"{path}/kept").body == kept
    assert int(api.create(path, config_map("new"))["metadata"]["resourceVersion"]) > version
    with api.watch(path, f"resourceVersion={kept['metadata']['resourceVersion']}") as watch:
        assert watch.next()["object"]["code"] == 410


def make_former_format(engine: Engine, version: int) -> None:
    """Write the database as format 1 had it, with 100 MiB of history."""
    with engine.connection() as connection:
        connection.executescript(
            """
            ALTER TABLE objects DROP COLUMN checksum;
            DROP TABLE changes;
            DROP TABLE counter;
            """
        )
        connection.executescript(FORMER)
        for number in range(100):
            row = (version - number, 0.0, "MODIFIED", "configmaps", "default", "gone")
            connection.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", (*row, b"x" * MIB)
            )
        connection.execute("PRAGMA user_version = 1")


FORMER = """
    CREATE TABLE events (
        version INTEGER PRIMARY KEY, at REAL NOT NULL, type TEXT NOT NULL, resource TEXT NOT NULL,
        namespace TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL, previous BLOB
    );
"""
