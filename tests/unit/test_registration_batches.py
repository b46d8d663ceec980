"""What a registration batch admits, and what its rule approves."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flotta.fleet import registration_batches as batches
from flotta.fleet.approval_rules import (
    Applicant,
    Decision,
    decide,
    read_approval,
    write_approval,
)
from flotta.fleet.batch_specification import (
    SpecificationError,
    check_specification,
    dump_specification,
    parse_specification,
)
from flotta.identity import peers
from unit.docs.tables import REFERENCE, first_cells

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
FULL: batches.SpecificationFields = {
    "expires": "2027-01-01T00:00:00Z",
    "uses": 3,
    "namespaces": ["default", "shops"],
    "deviceIDs": ["till-1", "kiosk-*"],
    "targetSet": "tills",
    "labels": {"example.org/site": "north", "device.hostname": "till-1"},
    "approval": {
        "mode": "Automatic",
        "serialNumbers": ["SN1"],
        "hardware": {"cpu.architecture": "x86_64", "systemVendor.productName": "NUC*"},
        "sourceNetworks": ["192.0.2.0/24", "2001:db8::/32"],
    },
    "deviceLabels": ["floor", "example.org/room", "floor"],
    "allowWithoutFingerprint": True,
    "allowKeyReplacement": True,
    "revoked": {"at": "2026-02-01T00:00:00Z", "by": "eve", "reason": "stolen"},
}
HARDWARE = {
    "cpu": {"architecture": "x86_64"},
    "systemVendor": {"productName": "NUC11", "serialNumber": "SN1"},
}


def test_every_field_is_read() -> None:
    specification = parse_specification(dump_specification(FULL))

    assert specification.expires == datetime(2027, 1, 1, tzinfo=UTC)
    assert specification.uses == 3
    assert specification.namespaces == ("default", "shops")
    assert specification.device_ids == batches.DeviceIDs(frozenset({"till-1"}), ("kiosk-*",))
    assert specification.target_set == "tills"
    assert specification.labels["example.org/site"] == "north"
    assert specification.approval.automatic
    assert specification.approval.serial_numbers == {"SN1"}
    assert [str(item) for item in specification.approval.source_networks] == [
        "192.0.2.0/24",
        "2001:db8::/32",
    ]
    assert specification.device_labels == ("floor", "example.org/room")
    assert specification.allow_without_fingerprint
    assert specification.allow_key_replacement
    assert specification.revoked == batches.Revocation(
        datetime(2026, 2, 1, tzinfo=UTC), "eve", "stolen"
    )


def test_an_empty_specification_is_an_unlimited_batch_with_manual_approval() -> None:
    assert parse_specification("{}") == batches.Specification()


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ([], ""),
        ({"colour": "red"}, "colour"),
        ({"approval": {"colour": "red"}}, "approval.colour"),
        ({"expires": "tomorrow"}, "expires"),
        ({"expires": "9999-12-31T23:59:59-23:59"}, "expires"),
        ({"expires": ""}, "expires"),
        ({"uses": 0}, "uses"),
        ({"uses": True}, "uses"),
        ({"uses": 100_001}, "uses"),
        ({"namespaces": []}, "namespaces"),
        ({"namespaces": ["a.b"]}, "namespaces[0]"),
        ({"deviceIDs": []}, "deviceIDs"),
        ({"deviceIDs": ["ok", "Till"]}, "deviceIDs[1]"),
        ({"deviceIDs": ["register"]}, "deviceIDs[0]"),
        ({"deviceIDs": ["till-[0-9]"]}, "deviceIDs[0]"),
        ({"deviceIDs": ["x" * 65]}, "deviceIDs[0]"),
        ({"deviceIDs": ["ok", 7]}, "deviceIDs[1]"),
        ({"deviceIDs": [f"{n}-*" for n in range(101)]}, "deviceIDs"),
        ({"deviceIDs": ["a"] * 10_001}, "deviceIDs"),
        ({"targetSet": "Tills!"}, "targetSet"),
        ({"labels": {"workload/x": "true"}}, "labels['workload/x']"),
        ({"labels": {"flotta/member-of": "set"}}, "labels['flotta/member-of']"),
        ({"labels": {"edgedeviceSignedRequest": "true"}}, "labels['edgedeviceSignedRequest']"),
        ({"labels": {"": "x"}}, "labels['']"),
        ({"labels": {"a": "-x"}}, "labels['a']"),
        ({"labels": {"a": "x" * 64}}, "labels['a']"),
        ({"labels": {f"l{n}": "" for n in range(65)}}, "labels"),
        ({"approval": {"mode": "automatic"}}, "approval.mode"),
        ({"approval": {"mode": ["Automatic"]}}, "approval.mode"),
        ({"approval": {"mode": "Automatic"}}, "approval.mode"),
        ({"approval": {"mode": "Automatic"}, "deviceIDs": ["a", "b*"]}, "approval.mode"),
        ({"approval": {"serialNumbers": ["1"]}}, "approval"),
        ({"approval": {"mode": "Manual", "hardware": {"hostname": "x"}}}, "approval"),
        ({"approval": {"hardware": {"disks": "x"}}}, "approval.hardware['disks']"),
        ({"approval": {"sourceNetworks": ["10.0.0.1/8"]}}, "approval.sourceNetworks[0]"),
        ({"deviceLabels": []}, "deviceLabels"),
        ({"deviceLabels": ["room", "workload/x"]}, "deviceLabels[1]"),
        ({"deviceLabels": ["flotta/member-of"]}, "deviceLabels[0]"),
        ({"deviceLabels": ["device.hostname"]}, "deviceLabels[0]"),
        ({"deviceLabels": ["a b"]}, "deviceLabels[0]"),
        ({"deviceLabels": [f"l{n}" for n in range(65)]}, "deviceLabels"),
        ({"allowKeyReplacement": 1}, "allowKeyReplacement"),
        ({"allowWithoutFingerprint": "true"}, "allowWithoutFingerprint"),
        ({"revoked": {"by": "eve"}}, "revoked.at"),
        ({"revoked": {"at": "2026-02-01", "reason": "a\nb"}}, "revoked.reason"),
    ],
)
def test_an_error_names_the_field(document: Any, path: str) -> None:
    with pytest.raises(SpecificationError) as caught:
        check_specification(document)
    assert caught.value.path == path
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        '{"uses": NaN}',
        '{"uses": 1, "uses": 2}',
        '{"uses": ' + "9" * 5000 + "}",
        '{"targetSet": "\\ud800"}',
        b"\xff",
        '{"labels": {"\\ud800": "x"}}',
        "{" + " " * 256 * 1024 + "}",
    ],
)
def test_what_is_not_json_or_too_long_is_refused(text: str | bytes) -> None:
    with pytest.raises(SpecificationError):
        parse_specification(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
fields = st.dictionaries(
    st.sampled_from([*batches.SpecificationFields.__annotations__]),
    json_values
    | st.dictionaries(
        st.sampled_from(["mode", "serialNumbers", "hardware", "sourceNetworks", "at", "by"]),
        json_values | st.sampled_from(["Automatic", "Manual", "2026-01-01T00:00:00Z"]),
    ),
)


@settings(max_examples=300, deadline=None)
@given(fields)
def test_any_json_is_read_or_refused_by_field(document: Any) -> None:
    text = json.dumps(document)
    try:
        specification = parse_specification(text)
    except SpecificationError as error:
        problem = str(error)
    else:
        problem = ""
        decide("batch", specification, Applicant("till-1"))
        assert parse_specification(text) == specification
    assert "\n" not in problem
    problem.encode()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        parse_specification(data)
    except SpecificationError:
        return


def test_the_page_has_the_fields_and_their_limits() -> None:
    page = "control-plane.md"
    rule = {f"approval.{name}" for name in batches.ApprovalFields.__annotations__}
    plain = {*batches.SpecificationFields.__annotations__} - {"approval"}
    assert first_cells(page, "Field of a batch") == plain | rule
    text = " ".join((REFERENCE / page).read_text().split())
    for words in (
        f"{batches.MAX_SPECIFICATION // 1024} KiB",
        f"1 to {batches.MAX_USES:,}",
        f"at most {batches.MAX_IDS:,}, {batches.MAX_PATTERNS} of them patterns",
        f"at most {batches.MAX_LABELS}",
        f"at most {batches.MAX_NETWORKS}",
        f"at most {batches.MAX_BATCH_NAME} characters",
        f"{batches.REMOVAL_DAYS} days later",
    ):
        assert words in text
    for path in batches.HARDWARE_PATHS:
        assert f"`{path}`" in text


def test_ids_are_those_of_certificates() -> None:
    for text in ("till-1", "a.b", "x" * 64, "x" * 65, "Till", "-a", ""):
        assert batches.is_device_id(text) == peers.is_device_id(text)
    assert not batches.is_device_id("register")


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("till-*", "till-1", True),
        ("till-*", "till-", True),
        ("till-*", "still-1", False),
        ("*-1", "till-1", True),
        ("t?ll", "till", True),
        ("t?ll", "tll", False),
        ("*", "", True),
        ("?", "", False),
        ("a*b*c", "aXbXbXc", True),
        ("a*b*c", "aXbX", False),
        ("", "", True),
        ("till", "till-1", False),
    ],
)
def test_a_pattern_matches_the_whole_text(pattern: str, text: str, expected: bool) -> None:
    assert batches.matches(pattern, text) is expected


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    start = time.process_time()
    assert not batches.matches("*a" * 128, "a" * 127 + "b" * 129)
    assert time.process_time() - start < 1


def test_listed_ids_and_patterns_admit() -> None:
    ids = check_specification({"deviceIDs": ["till-1", "kiosk-?"]}).device_ids
    assert ids is not None
    assert ids.find("till-1") == "till-1"
    assert ids.find("kiosk-7") == "kiosk-?"
    assert ids.find("kiosk-77") is None


def test_a_device_tries_every_slot_once_and_always_in_the_same_order() -> None:
    slots = list(batches.probe_slots("till-1", 7))
    assert sorted(slots) == list(range(1, 8))
    assert slots == list(batches.probe_slots("till-1", 7))
    assert {next(iter(batches.probe_slots(f"till-{n}", 7))) for n in range(50)} == set(range(1, 8))


def test_the_longest_use_has_a_name_that_a_label_can_hold() -> None:
    name = "b" * batches.MAX_BATCH_NAME
    assert batches.is_batch_name(name)
    assert not batches.is_batch_name(name + "b")
    assert len(batches.use_name(name, batches.MAX_USES)) <= 63


def test_former_certificates_are_bounded_and_newest_first() -> None:
    digests = [f"{n:064x}" for n in range(12)]
    assert batches.read_former(batches.write_former(digests)) == tuple(digests[:8])
    assert batches.read_former("") == ()


def test_the_state_follows_revocation_and_expiry() -> None:
    hour = timedelta(hours=1)
    assert batches.Specification().state_at(NOW) is batches.State.ACTIVE
    assert batches.Specification().state_at(NOW, NOW - hour) is batches.State.EXPIRED
    assert batches.Specification(expires=NOW).state_at(NOW, NOW + hour) is batches.State.EXPIRED
    revoked = batches.Specification(revoked=batches.Revocation(NOW - hour))
    assert revoked.state_at(NOW) is batches.State.REVOKED
    assert revoked.ended_at(NOW) == NOW - hour
    assert batches.Specification(expires=NOW).ended_at(NOW + hour) == NOW
    assert batches.Specification(expires=NOW).ended_at(NOW - hour) is None


def decision(applicant: Applicant, **changes: Any) -> Decision:
    return decide("shops", check_specification({**FULL, **changes}), applicant)


def test_a_rule_that_matches_approves_and_says_on_which_evidence() -> None:
    found = decision(Applicant("kiosk-1", "ab" * 32, HARDWARE, "192.0.2.7"))

    assert found.approves
    assert found.rule == "Registration batch shops approves the devices that it lists, 3 at most"
    assert found.evidence == (
        "The id kiosk-1 matches kiosk-*",
        "The serial number 'SN1', which the device reports, is listed",
        "cpu.architecture, which the device reports, is 'x86_64' and matches 'x86_64'",
        "systemVendor.productName, which the device reports, is 'NUC11' and matches 'NUC*'",
        "The device connects from 192.0.2.7, which is in 192.0.2.0/24",
        f"The request is bound to the key {'ab' * 32}",
    )


@pytest.mark.parametrize(
    ("applicant", "text"),
    [
        (Applicant("other"), "the id other is not one of its ids"),
        (Applicant("till-1"), "the device reports no systemVendor.serialNumber"),
        (
            Applicant("till-1", "", {"systemVendor": {"serialNumber": "\x1b"}}),
            "the reported serial number '\\x1b' is not in its list",
        ),
        (Applicant("till-1", "", HARDWARE), "the address of the device is not known"),
        (Applicant("till-1", "", HARDWARE, "198.51.100.1"), "which is in none of its networks"),
        (Applicant("till-1", "", HARDWARE, "nonsense"), "the address of the device is not known"),
    ],
)
def test_what_does_not_match_waits_for_a_person(applicant: Applicant, text: str) -> None:
    found = decision(applicant)
    assert not found.approves
    assert found.withheld.startswith("Batch shops: ")
    assert text in found.withheld
    assert found.withheld.isprintable()


def test_an_address_in_its_ipv6_form_is_the_same() -> None:
    assert decision(Applicant("till-1", "", HARDWARE, "::ffff:192.0.2.7")).approves


def test_without_a_rule_nothing_is_approved_and_nothing_withheld() -> None:
    assert decide("shops", batches.Specification(), Applicant("till-1")) == Decision()


@pytest.mark.parametrize("value", ["é" * 256, "'\"\\" * 85, "\n\u2028" * 128])
def test_an_approval_on_all_the_evidence_that_there_can_be_is_read_back(value: str) -> None:
    rule = batches.ApprovalRule(
        automatic=True,
        serial_numbers=frozenset({value}),
        hardware=dict.fromkeys(batches.HARDWARE_PATHS, "*"),
        source_networks=(ip_network("192.0.2.0/24"),),
    )
    ids = batches.DeviceIDs(frozenset({"till-1"}), ())
    specification = batches.Specification(device_ids=ids, approval=rule)
    reported: dict[str, Any] = {}
    for path in batches.HARDWARE_PATHS:
        *parents, field = path.split(".")
        place = reported
        for step in parents:
            place = place.setdefault(step, {})
        place[field] = value
    found = decide("shops", specification, Applicant("till-1", "ab" * 32, reported, "192.0.2.7"))
    assert found.approves

    approval = read_approval(write_approval("shops", "u-2", found, NOW))

    assert approval is not None
    assert approval["evidence"] == list(found.evidence)


def test_an_approval_is_read_back_and_nothing_else_is() -> None:
    found = decision(Applicant("till-1", "", HARDWARE, "192.0.2.7"))
    text = write_approval("shops", "u-2", found, NOW)

    approval = read_approval(text)

    assert approval is not None
    assert approval["rule"] == found.rule
    assert approval["evidence"] == list(found.evidence)
    assert approval["at"] == "2026-05-01T12:00:00Z"
    for wrong in (
        None,
        "",
        "{}",
        "true",
        text.replace("shops", "SHOPS!"),
        text[:-1],
        json.dumps({**approval, "evidence": "all"}),
        json.dumps({**approval, "evidence": [1]}),
        json.dumps({**approval, "at": "now"}),
        json.dumps({**approval, "more": ""}),
        json.dumps({**approval, "rule": "x" * 9000}),
    ):
        assert read_approval(wrong) is None
