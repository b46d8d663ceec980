"""What the worker takes from a configuration message, and how it keeps one on disk."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from flotta.protocol.models import (
    DataConfiguration,
    DeviceConfiguration,
    DeviceConfigurationMessage,
    S3StorageConfiguration,
    StorageConfiguration,
)
from flotta.worker import configuration_store
from flotta.worker.configuration import (
    find_s3_storage,
    keep_absent,
    keep_unresolved,
    parse_configuration,
    read_heartbeat_period,
)
from flotta.worker.configuration_changes import has_same_content, keep_unchanged_workloads
from flotta.worker.configuration_store import ConfigurationStore
from flotta.worker.data.storage import decode_storage
from flotta.worker.errors import ConfigurationError
from flotta.worker.newest_inputs import NewestInputs

SAMPLES = Path(__file__).parents[1] / "data" / "messages"


def content(version: str, **more: Any) -> bytes:
    return json.dumps({"device_id": "d", "version": version, "configuration": {}, **more}).encode()


def version(message: DeviceConfigurationMessage | None) -> str | None:
    return message.version if message else None


def loaded(store: ConfigurationStore) -> tuple[str, bool] | None:
    """Return the version on disk, and whether it is known to be the newest."""
    found = store.load()
    return (found.message.version, found.is_newest) if found else None


def test_the_recorded_configuration_is_accepted() -> None:
    recorded = json.loads((SAMPLES / "to-agent-device-configuration.json").read_text())

    message = parse_configuration(json.dumps(recorded["content"]).encode())

    assert [w.name for w in message.workloads or []] == ["rich"]
    assert read_heartbeat_period(message) == 7


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"null", "empty"),
        (b"{", "malformed"),
        (b'{"version": "1"}', "no configuration section"),
        (content("1", workloads=[{"name": 5}]), "workloads"),
        (content("1", workloads=[{"name": "a"}, {"name": "a"}]), "twice"),
        (content("1", workloads=[{"specification": "x"}]), "without a name"),
    ],
)
def test_a_malformed_or_partial_message_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        parse_configuration(data)


def test_a_message_for_another_device_is_refused() -> None:
    assert parse_configuration(content("1"), "D").version == "1"
    with pytest.raises(ConfigurationError, match="this is other"):
        parse_configuration(content("1"), "other")


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_truncate, _flip, _empty, Path.unlink])
def test_a_damaged_configuration_gives_way_to_the_one_before(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    store = ConfigurationStore(tmp_path)
    store.save(content("1"))
    store.save(content("2"))
    assert loaded(store) == ("2", True)

    damage(store.current)

    assert loaded(store) == ("1", False)


def test_a_damaged_current_generation_does_not_replace_the_good_previous_one(
    tmp_path: Path,
) -> None:
    store = ConfigurationStore(tmp_path)
    store.save(content("1"))
    store.save(content("2"))
    _truncate(store.current)

    store.save(content("3"))
    _truncate(store.current)

    assert loaded(store) == ("1", False)


def test_a_configuration_that_was_not_stored_leaves_the_one_before_as_an_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    store = ConfigurationStore(tmp_path)
    store.save(content("1"))
    with monkeypatch.context() as full:
        full.setattr(configuration_store, "write_atomically", write)
        with pytest.raises(OSError, match="No space"):
            store.save(content("2"))

    assert loaded(store) == ("1", False)
    store.save(content("2"))
    assert loaded(store) == ("2", True)


def test_without_a_readable_generation_nothing_is_known(tmp_path: Path) -> None:
    store = ConfigurationStore(tmp_path)
    assert store.load() is None
    store.save(content("1"))
    _empty(store.current)
    assert store.load() is None


def test_the_configuration_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    store = ConfigurationStore(tmp_path)
    store.save(content("1"))
    store.save(content("2"))

    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_storage_values_are_decoded_and_the_port_has_a_default() -> None:
    section = S3StorageConfiguration(
        aws_access_key_id="QUs=", aws_secret_access_key="U0s=", bucket_host="s3", bucket_name="b"
    )

    storage = decode_storage(section)

    assert (storage.endpoint, storage.access_key, storage.secret_key) == (
        "https://s3:443",
        "AK",
        "SK",
    )
    for unusable in ("%", "é", "/w=="):
        section.aws_access_key_id = unusable
        with pytest.raises(ConfigurationError, match="base64"):
            decode_storage(section)


def test_storage_that_the_control_plane_cannot_tell_stays() -> None:
    s3 = S3StorageConfiguration(bucket_name="b", bucket_host="h")
    had = _configured(storage=StorageConfiguration(s3=s3))
    unresolved = keep_unresolved(_configured(storage_unresolved=True), had)
    assert find_s3_storage(unresolved) == s3
    assert find_s3_storage(keep_unresolved(unresolved, unresolved)) == s3
    assert find_s3_storage(keep_unresolved(_configured(), had)) is None
    assert find_s3_storage(keep_unresolved(_configured(storage_unresolved=True), None)) is None
    moved = _configured(storage=StorageConfiguration(s3=replace(s3, bucket_host="new")))
    assert keep_unresolved(moved, had) is moved


def _configured(**fields: Any) -> DeviceConfigurationMessage:
    return DeviceConfigurationMessage(configuration=DeviceConfiguration(**fields))


def fleet_message(
    version: str, *workloads: dict[str, Any], **more: Any
) -> DeviceConfigurationMessage:
    return parse_configuration(content(version, workloads=list(workloads), **more))


TILL = {"name": "till", "specification": "a", "configmaps": ["1", "2"]}
SCALE = {"name": "scale", "specification": "b"}
KEYS = [{"name": "one", "data": "{}"}, {"name": "two", "data": "{}"}]


def test_version_and_order_are_not_content() -> None:
    message = fleet_message("1", TILL, SCALE, secrets=KEYS)
    turned = TILL | {"configmaps": ["2", "1"]}

    assert has_same_content(message, fleet_message("2", SCALE, turned, secrets=KEYS[::-1]))
    assert has_same_content(parse_configuration(content("1")), fleet_message("2", secrets=[]))
    assert has_same_content(dated("7"), dated("8"))


@pytest.mark.parametrize(
    "other",
    [
        fleet_message("1", TILL, secrets=KEYS),
        fleet_message("1", TILL | {"configmaps": ["1", "3"]}, SCALE, secrets=KEYS),
        fleet_message("1", TILL | {"configmaps": ["1", "2", "2"]}, SCALE, secrets=KEYS),
        fleet_message("1", TILL, SCALE | {"specification": "c"}, secrets=KEYS),
        fleet_message("1", TILL, SCALE, secrets=[KEYS[0], KEYS[1] | {"data": "x"}]),
        None,
    ],
)
def test_everything_else_is_content_whatever_the_version(
    other: DeviceConfigurationMessage | None,
) -> None:
    assert not has_same_content(fleet_message("1", TILL, SCALE, secrets=KEYS), other)


def test_a_workload_that_the_control_plane_cannot_deliver_stays_with_its_secrets() -> None:
    had = fleet_message("1", TILL, SCALE, secrets=KEYS)
    newer = {"name": "one", "data": '{"k": "bg=="}'}
    received = fleet_message("2", SCALE, secrets=[newer], unresolved_workloads=["till", "unknown"])

    kept = keep_unresolved(received, had)

    assert [workload.name for workload in kept.workloads or []] == ["scale", "till"]
    assert [(secret.name, secret.data) for secret in kept.secrets or []] == [
        ("one", newer["data"]),
        ("two", "{}"),
    ]
    assert keep_unresolved(kept, had) is kept
    assert keep_unresolved(received, None) is received
    deleted = fleet_message("3", SCALE)
    assert keep_unresolved(deleted, had) is deleted


def test_what_a_workload_says_about_files_counts_while_it_cannot_be_delivered() -> None:
    had = fleet_message("1", TILL, SCALE)
    kept = {"retention": "Keep"}
    received = fleet_message(
        "2", unresolved_workloads=["scale", "till"], unresolved_data={"till": kept}
    )

    found = {workload.name: workload for workload in keep_unresolved(received, had).workloads or []}

    assert found["till"].data == DataConfiguration(retention="Keep")
    assert found["till"].specification == TILL["specification"]
    assert found["scale"].data is None
    emptied = fleet_message("3", unresolved_workloads=["till"], unresolved_data={"till": {}})
    again = keep_unresolved(emptied, keep_unresolved(received, had))
    assert again.workloads == fleet_message("1", TILL).workloads


def test_a_workload_in_another_order_stays_as_it_is_beside_one_that_changes() -> None:
    before = fleet_message("1", TILL, SCALE)
    changed = SCALE | {"specification": "c"}
    after = fleet_message("2", changed, TILL | {"configmaps": ["2", "1"]})

    kept = keep_unchanged_workloads(after, before)

    assert kept == fleet_message("2", changed, TILL)
    assert keep_unchanged_workloads(kept, before) is kept
    assert keep_unchanged_workloads(after, None) is after


def dated(
    workloads: str = "", device: str = "", uid: str = "u-1", both: str = ""
) -> DeviceConfigurationMessage:
    """Return a configuration made of EdgeWorkloads and an EdgeDevice of these versions."""
    inputs = {"workloads_version": workloads, "device_version": device, "resource_version": both}
    return parse_configuration(content("1", inputs_version={"device_uid": uid, **inputs}))


@pytest.mark.parametrize(
    ("message", "is_older"),
    [
        (dated("99"), True),
        (dated("0100"), False),
        (dated("101"), False),
        (dated("99", uid="u-2"), False),  # of another control plane, or of an adopted device
        (dated("ninety"), False),
        (dated("٩٩"), False),
        (dated("-1"), False),
        (dated("0" * 5000), False),
        (dated(""), False),
        (parse_configuration(content("1")), False),  # of a control plane of v0.2
    ],
)
def test_a_configuration_of_older_objects_is_recognised_also_after_a_restart(
    tmp_path: Path, message: DeviceConfigurationMessage, *, is_older: bool
) -> None:
    path = tmp_path / "newest"
    for version in ("100", "98", "nothing"):
        NewestInputs(path).note(dated(version))

    assert NewestInputs(path).is_older(message) is is_older


@pytest.mark.parametrize(
    ("message", "lower"),
    [
        (dated("100", "50"), ""),
        (dated("101", "51"), ""),
        (dated("99", "51"), "EdgeWorkloads 99 after 100"),
        (dated("101", "49"), "EdgeDevice 49 after 50"),
        (dated("99", "49"), "EdgeWorkloads 99 after 100, EdgeDevice 49 after 50"),
        (dated("101"), ""),
        (dated("", "49"), "EdgeDevice 49 after 50"),
        (dated(both="69"), "EdgeWorkloads and EdgeDevices 69 after 70"),
        (dated(both="70"), ""),  # not compared with the version of one kind
    ],
)
def test_each_version_is_compared_with_the_same_one_of_before(
    tmp_path: Path, message: DeviceConfigurationMessage, lower: str
) -> None:
    path = tmp_path / "newest"
    NewestInputs(path).note(dated(both="70"))  # of a control plane that sends one number
    NewestInputs(path).note(dated("100", "50"))
    NewestInputs(path).note(dated("200", "49"))

    assert NewestInputs(path).describe(message) == lower
    assert NewestInputs(path).is_older(message) is bool(lower)


def test_a_record_of_one_number_is_read(tmp_path: Path) -> None:
    path = tmp_path / "newest"
    path.write_bytes(b'{"device_uid":"u-1","resource_version":"70"}')
    assert NewestInputs(path).is_older(dated(both="69"))
    newest = NewestInputs(path)
    newest.note(dated("60", "50"))
    assert newest.is_older(dated("59", "50"))


def test_the_newest_version_is_that_of_the_present_edgedevice(tmp_path: Path) -> None:
    newest = NewestInputs(tmp_path / "newest")
    newest.note(dated("100"))
    newest.note(dated("7", uid="u-2"))
    assert newest.is_older(dated("6", uid="u-2"))
    assert newest.describe(dated("6", uid="u-2")) == "EdgeWorkloads 6 after 7"

    newest.wipe()

    assert not newest.is_older(dated("6", uid="u-2"))
    assert not NewestInputs(tmp_path / "newest").is_older(dated("6", uid="u-2"))


def test_a_damaged_record_of_the_newest_version_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "newest"
    for damaged in (b"", b"{", b"[]", b'{"resource_version": 7}'):
        path.write_bytes(damaged)
        newest = NewestInputs(path)
        assert not newest.is_older(dated("1"))
        newest.note(dated("2"))
        assert NewestInputs(path).is_older(dated("1"))


def test_a_version_that_cannot_be_stored_counts_until_the_worker_ends(tmp_path: Path) -> None:
    newest = NewestInputs(tmp_path / "no-such-folder" / "newest")
    newest.note(dated("2"))
    assert newest.is_older(dated("1"))


def test_an_older_configuration_keeps_what_it_does_not_contain() -> None:
    had = fleet_message("1", TILL, SCALE, secrets=KEYS, unresolved_workloads=["press"])
    older = fleet_message("2", SCALE | {"specification": "c"}, unresolved_workloads=["new"])

    kept = keep_unresolved(keep_absent(older, had), had)

    assert kept.unresolved_workloads == ["new", "press", "till"]
    assert {workload.name: workload.specification for workload in kept.workloads or []} == {
        "scale": "c",
        "till": "a",
    }
    assert [secret.name for secret in kept.secrets or []] == ["one", "two"]
    assert keep_absent(kept, had) is kept
    assert keep_absent(older, None) is older
    complete = fleet_message("3", TILL, SCALE, {"name": "press"})
    assert keep_absent(complete, had) is complete


@pytest.mark.parametrize(
    ("period", "seconds"), [(7, 7.0), (0, 60.0), (-1, 60.0), (10**400, 86400.0)]
)
def test_the_period_of_heartbeats_is_bounded_whatever_is_sent(period: int, seconds: float) -> None:
    heartbeat = {"period_seconds": period}
    content = json.dumps({"configuration": {"heartbeat": heartbeat}}).encode()
    assert read_heartbeat_period(parse_configuration(content)) == seconds
