"""When certificates warn, what the command says about it, and what exit status it has."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from authorities import alone
from flotta.apiserver.pki import render_kubeconfig
from flotta.cli.certificates import (
    FleetCertificates,
    as_data,
    describe_devices,
    describe_steps,
)
from flotta.cli.engine_certificates import list_engine_certificates
from flotta.fleet.expiries import list_batches, read_devices, read_published
from flotta.fleet.issued_batches import read_batch
from flotta.identity.authority import Authority
from flotta.identity.expiry import Expiry, Kind, leave_out_superseded
from flotta.identity.rollover import succeed
from flotta.own_names import OWN_BATCH_PREFIX
from flotta.resources.objects.core import ConfigMap, Secret
from flotta.resources.objects.devices import EdgeDevice
from flotta.rfc3339 import format_time

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
FORMER = Authority.create("flotta-ca")
ROLLED = succeed(FORMER).authority


def expiry(kind: Kind, validity: int, left: float) -> Expiry:
    """Return a certificate of so many days that has so many left."""
    end = NOW + left * DAY
    return Expiry(kind, "x", end - validity * DAY, end)


@pytest.mark.parametrize(
    ("kind", "validity", "quiet", "warns"),
    [
        ("CA", 3650, 366, 364),
        ("CA", 300, 101, 99),
        ("server", 365, 61, 60),
        ("device", 30, 5.1, 4.9),
        ("engine", 21_000, 62, 60),  # of the embedded engine: valid since 1970
        ("registration", 365, 15, 13),
    ],
)
def test_each_kind_warns_in_time_and_not_before(
    kind: Kind, validity: int, quiet: float, warns: float
) -> None:
    assert expiry(kind, validity, quiet).state_at(NOW) == "valid"
    assert not expiry(kind, validity, quiet).is_urgent(NOW)
    assert expiry(kind, validity, warns).state_at(NOW) == "expires soon"
    assert expiry(kind, validity, warns).is_urgent(NOW)
    assert expiry(kind, validity, -1).state_at(NOW) == "expired"


def test_what_is_renewed_in_time_never_warns() -> None:
    """Renewal is when a third is left, minus the jitter."""
    for kind, validity in (("server", 365), ("device", 30), ("device", 1)):
        assert not expiry(kind, validity, validity / 3 - validity / 10).is_urgent(NOW)  # type: ignore[arg-type]


def test_a_batch_that_ends_as_it_was_meant_to_is_no_alarm() -> None:
    assert not expiry("registration", 1, 0.1).is_urgent(NOW)
    assert not expiry("registration", 365, -1).is_urgent(NOW)
    assert not expiry("former CA", 3650, 1).is_urgent(NOW)
    assert expiry("server", 365, -1).is_urgent(NOW)


def published(authority: Authority) -> ConfigMap:
    server = authority.issue_server(["edge.example"]).certificate
    pems = {"ca.crt": authority.certificate_pem.decode(), "server.crt": server.decode()}
    if authority is ROLLED:
        pems["former.crt"] = FORMER.certificate_pem.decode()
    return {"metadata": {"name": "flotta-certificates"}, "data": pems}


def device(name: str, authority: str = "", left: float = 20) -> EdgeDevice:
    found: EdgeDevice = {
        "metadata": {"name": name, "namespace": "shop"},
        "status": {"phase": "up"},
    }
    if authority:
        found["status"]["certificate"] = {
            "notBefore": format_time(NOW - (30 - left) * DAY),
            "notAfter": format_time(NOW + left * DAY),
            "authority": authority,
        }
    return found


def fleet_of(authority: Authority, *devices: EdgeDevice) -> FleetCertificates:
    known = read_published(published(authority))
    return FleetCertificates(known, [], read_devices(devices, known.issuing if known else ""))


def test_devices_are_told_by_their_ca_and_those_that_never_joined_do_not_count() -> None:
    hand_made: EdgeDevice = {"metadata": {"name": "till-4", "namespace": "shop"}}
    fleet = fleet_of(
        ROLLED,
        device("till-1", ROLLED.identifier),
        device("till-2", FORMER.identifier, left=2),
        device("till-3"),
        hand_made,
    )
    assert describe_devices(fleet, NOW) == [
        "Devices: 3, of which 1 did not renew in time.",
        "No certificate was seen yet of shop/till-3: look again after their next heartbeat",
        "The CA is rolled over. Of another CA than the one that issues: shop/till-2.",
    ]
    data = json.loads(json.dumps(as_data(fleet, [], NOW)))
    assert data["devices"] == {"total": 3, "former_ca": ["shop/till-2"], "unknown": ["shop/till-3"]}
    assert [item["name"] for item in data["certificates"] if item["urgent"]] == ["shop/till-2"]
    assert [item["kind"] for item in data["certificates"][:3]] == [
        "CA",
        "former CA",
        "server",
    ]


def test_the_end_of_a_rollover_is_proposed_when_every_device_has_renewed() -> None:
    fleet = fleet_of(ROLLED, device("till-1", ROLLED.identifier))
    assert "flotta certificates finish-ca" in describe_devices(fleet, NOW)[-1]
    fleet = fleet_of(alone(ROLLED), device("till-1", ROLLED.identifier))
    assert describe_devices(fleet, NOW) == ["Devices: 1, of which 0 did not renew in time."]


def test_a_root_of_others_in_the_bundle_is_no_rollover() -> None:
    root = Authority.create("Corp Root", "Corp")
    both = Authority(FORMER.certificate, FORMER._key, FORMER.certificate_pem + root.certificate_pem)
    fleet = fleet_of(both, device("till-1", FORMER.identifier))
    assert describe_devices(fleet, NOW) == ["Devices: 1, of which 0 did not renew in time."]
    assert [item.kind for item in fleet.own] == ["CA", "other CA", "server"]


def test_devices_that_a_forced_end_shut_out_are_named() -> None:
    fleet = fleet_of(alone(ROLLED), device("till-1", FORMER.identifier))
    assert "trusted no longer: shop/till-1. " in describe_devices(fleet, NOW)[-1]


def test_each_kind_that_expires_gets_one_sentence_with_a_next_step() -> None:
    steps = describe_steps(
        [expiry("CA", 300, 9), expiry("CA", 300, 8), expiry("device", 30, 9)], NOW
    )
    assert steps == ["CA x, x: Roll the CA over: flotta certificates roll-ca"]
    every = [expiry(kind, 365, 1) for kind in ("CA", "server", "registration", "device", "engine")]
    assert len(describe_steps(every, NOW)) == 5


def batch(name: str, *, revoked: bool = False) -> Secret:
    issued = FORMER.issue_registration(days=10)
    data = {"client.crt": issued.certificate, "ca.crt": FORMER.certificate_pem}
    if not revoked:
        data["client.key"] = issued.key
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {"metadata": {"name": name, "labels": {"reg-client-ca": "true"}}, "data": encoded}


def test_revoked_batches_do_not_expire() -> None:
    batches = [read_batch(batch("spring")), read_batch(batch("stolen", revoked=True))]
    assert [item.name for item in list_batches(batches)] == ["spring"]


def test_batches_that_the_edge_api_has_replaced_do_not_warn() -> None:
    def named(name: str, left: float) -> Expiry:
        return replace(expiry("registration", 365, left), name=name)

    everywhere, shop = frozenset({"default"}), frozenset({"shop"})
    former, present = named("reg-client-ca-1", 9), named("reg-client-ca-2", 120)
    other, administrators = named("reg-client-ca-3", 9), named("spring", 9)
    left = leave_out_superseded(
        [(former, everywhere), (present, everywhere), (other, shop), (administrators, everywhere)],
        OWN_BATCH_PREFIX,
    )
    assert left == [present, other, administrators]


def test_kubeconfigs_and_files_of_the_engine_are_read_as_far_as_that_is_possible(
    tmp_path: Path,
) -> None:
    issued = FORMER.issue_client("flotta-admin", days=10)
    content = render_kubeconfig("https://x", FORMER.certificate_pem, "flotta-admin", issued)
    (tmp_path / "admin.kubeconfig").write_bytes(content)
    (tmp_path / "server.crt").write_bytes(FORMER.issue_server(["x"], days=20).certificate)
    (tmp_path / "broken.crt").write_bytes(b"\0")
    (tmp_path / "token.kubeconfig").write_text("users: [{name: a, user: {token: x}}]")
    for number, odd in enumerate(
        ("users: 7", "", "[]", "users: [a]", "users: [{user: 7}]", "a: [")
    ):
        (tmp_path / f"odd-{number}.kubeconfig").write_text(odd)
    (tmp_path / "server.key").write_bytes(issued.key)

    found = list_engine_certificates(str(tmp_path / "admin.kubeconfig"), [tmp_path])

    assert [(item.kind, item.name) for item in found] == [
        ("engine", f"{tmp_path}/admin.kubeconfig (flotta-admin)"),
        ("engine", f"{tmp_path}/server.crt"),
    ]
    assert list_engine_certificates(None, [tmp_path / "none"]) == []
