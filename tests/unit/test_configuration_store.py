"""The rules of the reference data store that no request of an Edge API of today meets."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from flotta.configuration_api import feed, joining, leaving, reports, store
from flotta.configuration_api.clients import require_client
from flotta.configuration_api.database import open_database
from flotta.configuration_api.errors import ApiError, BusyDatabaseError, DatabaseError
from flotta.configuration_api.names import Name
from flotta.configuration_api.overview import describe_device, list_devices
from flotta.configuration_api.records import find_device, find_report
from flotta.configuration_api.writer import Writer
from flotta.protocol.hardware import CPU, Disk, HardwareInfo, SystemVendor
from flotta.protocol.models import (
    EnrolmentInfo,
    EventInfo,
    Features,
    Heartbeat,
    RegistrationInfo,
)
from flotta.settings.edge_api import REMOTE_BACKEND_TIMEOUT

TILL = Name("default", "till-1")
KEY, OTHER_KEY = "a" * 64, "b" * 64
CLIENT = "flotta-edge-api"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def database(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(open_database(path, create=True)) as connection:
        yield connection


def join(database: sqlite3.Connection, key: str = KEY) -> str:
    """Let the device join; return its uid."""
    joining.enrol(database, TILL, EnrolmentInfo(), fingerprint=key)
    joining.approve(database, TILL)
    return joining.register(database, TILL, RegistrationInfo(), fingerprint=key).uid


def client_certificate(*organizations: str, usage: x509.ObjectIdentifier) -> bytes:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    parts = [(NameOID.ORGANIZATION_NAME, name) for name in organizations]
    attributes = [*parts, (NameOID.COMMON_NAME, CLIENT)]
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    dates = builder.not_valid_before(now).not_valid_after(now + timedelta(hours=1))
    usages = x509.ExtendedKeyUsage([usage])
    return dates.add_extension(usages, False).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("organizations", "usage", "sentence"),
    [
        (("flotta-operator",), "CLIENT_AUTH", "that of a device"),
        (("evil",), "CLIENT_AUTH", "the organisation of the client certificate is not"),
        ((), "CLIENT_AUTH", "the organisation of the client certificate is not"),
        ((CLIENT, "evil"), "CLIENT_AUTH", "the organisation of the client certificate is not"),
        ((CLIENT,), "SERVER_AUTH", "is not issued for clientAuth"),
    ],
)
def test_a_certificate_that_is_not_the_edge_apis_is_refused(
    organizations: tuple[str, ...], usage: str, sentence: str
) -> None:
    der = client_certificate(*organizations, usage=getattr(ExtendedKeyUsageOID, usage))
    with pytest.raises(ApiError, match=sentence) as caught:
        require_client(der, CLIENT)
    assert caught.value.status == 403


def test_the_certificate_of_the_edge_api_is_let_in() -> None:
    require_client(client_certificate(CLIENT, usage=ExtendedKeyUsageOID.CLIENT_AUTH), CLIENT)


def test_a_device_of_which_no_key_is_on_record_is_registered_by_nobody_else(
    database: sqlite3.Connection,
) -> None:
    join(database, key="")
    with pytest.raises(ApiError, match="a key that is not on record") as caught:
        joining.register(database, TILL, RegistrationInfo(), fingerprint=KEY, peer="registration")
    assert caught.value.status == 409


def test_an_earlier_device_of_the_name_does_not_carry_out_the_wish(
    database: sqlite3.Connection,
) -> None:
    uid = join(database)
    leaving.unregister(database, TILL)
    for of_certificate, state in (("an-earlier-one", "unregistered"), (uid, "gone")):
        leaving.record_disconnect(database, TILL, of_certificate)
        assert [listed.state for listed in list_devices(database)] == [state]


def test_a_device_that_joins_again_has_not_gone(database: sqlite3.Connection) -> None:
    join(database)
    leaving.unregister(database, TILL)
    leaving.record_disconnect(database, TILL)
    join(database, OTHER_KEY)
    device = find_device(database, TILL)
    assert device
    assert (device.unregistered_at, device.disconnected_at) == ("", "")
    assert [listed.state for listed in list_devices(database)] == ["registered"]


def test_changes_that_are_forgotten_are_not_passed_over(
    database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "KEPT", 2)
    feed.begin_stretch(database)
    first = feed.current_version(database)
    for number in range(3):
        feed.note_change(database, Name("default", f"d{number}"))
    assert feed.changes_after(database, first).complete is False
    assert feed.changes_after(database, first + 1).devices == ["default/d1", "default/d2"]


def test_writes_are_synced_and_what_is_removed_is_overwritten(
    database: sqlite3.Connection,
) -> None:
    full = 2
    assert database.execute("PRAGMA synchronous").fetchone()[0] == full
    assert database.execute("PRAGMA secure_delete").fetchone()[0] == 1


def test_nothing_remains_of_a_job_that_is_refused_among_others(
    database: sqlite3.Connection,
) -> None:
    def refused(connection: sqlite3.Connection) -> None:
        feed.note_change(connection, Name("default", "refused"))
        raise ApiError(409, "refused")

    writer = Writer(database)
    done = writer.submit(lambda found: feed.note_change(found, TILL))
    failed = writer.submit(refused)
    writer.start()  # both are in one transaction
    writer.stop()
    assert done.result() is None
    with pytest.raises(ApiError, match="refused"):
        failed.result()
    assert database.execute("SELECT id FROM changes").fetchall() == [(TILL.device_id,)]


def test_ids_of_messages_are_not_shown(database: sqlite3.Connection) -> None:
    join(database)
    reports.record_heartbeat(database, TILL, Heartbeat(status="up"), "id-of-a-message")
    assert "id-of-a-message" not in repr(describe_device(database, TILL))


def test_what_a_device_reports_cannot_grow_without_end(database: sqlite3.Connection) -> None:
    join(database)
    event = EventInfo(reason="r" * 1000, message="m" * 250_000, type="warn", workload="w" * 1000)
    for number in range(4):
        reports.record_heartbeat(
            database, TILL, Heartbeat(events=[event], hardware=HARDWARE[number])
        )
    report = find_report(database, TILL)
    assert report
    assert all(len(msgspec.json.encode(kept)) < 2000 for kept in report.events)
    assert len(report.events) == 4
    assert len(msgspec.json.encode(report.hardware)) <= reports.MAX_HARDWARE


LARGE = "x" * 200_000
HARDWARE = (
    HardwareInfo(cpu=CPU(model_name=LARGE)),
    HardwareInfo(disks=[Disk(name=LARGE)]),
    HardwareInfo(hostname=LARGE),
    HardwareInfo(system_vendor=SystemVendor(manufacturer=LARGE)),
)


def test_what_a_device_says_that_waits_is_bounded(database: sqlite3.Connection) -> None:
    hardware = HardwareInfo(hostname="till", cpu=CPU(model_name=LARGE), disks=[Disk(name="sda")])
    info = EnrolmentInfo(
        features=Features(hardware=hardware, model_name=LARGE),
        labels={"floor": "2", "large": LARGE, LARGE: "x"},
    )
    joining.enrol(database, TILL, info)
    device = find_device(database, TILL)
    assert device
    assert device.features
    assert device.features.hardware == HardwareInfo(hostname="till", disks=[Disk(name="sda")])
    assert device.labels == {"floor": "2"}
    assert len(msgspec.json.encode(device)) < joining.FEATURES_LIMIT


async def test_a_server_waits_for_less_than_an_edge_api_does(
    path: Path, database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert float(REMOTE_BACKEND_TIMEOUT.default.removesuffix("s")) > store.PATIENCE + 1
    monkeypatch.setattr(store, "PATIENCE", 0.05)
    opened = store.Store(path)
    await opened.start()
    database.execute("BEGIN IMMEDIATE")
    with pytest.raises(BusyDatabaseError, match="written by another process"):
        await opened.write(feed.begin_stretch)
    database.execute("ROLLBACK")
    await opened.close()


async def test_a_damaged_database_is_an_error_with_a_remedy(path: Path) -> None:
    with contextlib.closing(open_database(path, create=True)) as connection:
        join(connection)
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    opened = store.Store(path)
    read: Callable[[sqlite3.Connection], object] = lambda found: find_device(found, TILL)  # noqa: E731
    with pytest.raises(DatabaseError, match=r"is damaged .*flotta-configuration-api restore FILE"):
        await opened.read(read)
    await opened.close()


def test_a_file_that_others_can_read_is_made_private(path: Path) -> None:
    open_database(path, create=True).close()
    path.chmod(0o644)
    with contextlib.closing(open_database(path)) as connection:
        connection.execute("UPDATE feed SET floor = 0")
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
