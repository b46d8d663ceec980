"""What a remote data store says, and what becomes of a device by it."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from flotta.edge_api.backends.backend import Membership
from flotta.edge_api.backends.remote.answers import (
    read_changes,
    read_configuration,
    read_name,
    read_status,
)
from flotta.edge_api.backends.remote.applicants import Applicant, Applicants
from flotta.edge_api.backends.remote.client import Call, DeviceName
from flotta.edge_api.backends.remote.problems import StoreAnswerInvalid
from flotta.edge_api.backends.remote.registration_rules import (
    find_contradiction,
    judge_membership,
    require_allowed_namespace,
    require_countable,
    require_may_register,
    require_recorded,
    uid_of,
)
from flotta.edge_api.backends.remote.requests import put_heartbeat
from flotta.edge_api.backends.remote.transport import Answer
from flotta.edge_api.backends.remote.unexpected import explain
from flotta.edge_api.batches import Batch
from flotta.edge_api.refusals import Refusal
from flotta.fleet.batch_specification import check_specification
from flotta.identity.holder import Peer
from flotta.protocol.configuration_api import RegistrationStatus
from flotta.protocol.models import Heartbeat
from flotta.settings.durations import parse_duration

NAME = DeviceName("default", "till-7")
KEY, OTHER = "a" * 64, "b" * 64
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def peer(uid: str | None = "u1") -> Peer:
    return Peer("device", "till-7", "default", ("default",), uid, "f", KEY, NOW, NOW)


def status(word: str, **fields: Any) -> RegistrationStatus:
    return RegistrationStatus(status=word, **fields)


def batch(**specification: Any) -> Batch:
    return Batch("shops", check_specification(specification))


@pytest.mark.parametrize(
    ("uid", "said", "membership"),
    [
        ("u1", status("registered"), Membership.ACTIVE),
        ("u1", status("registered", uid="u1"), Membership.ACTIVE),
        (None, status("registered", uid="u1"), Membership.ACTIVE),  # a certificate of v0.2
        ("u1", status("registered", uid="u2"), Membership.REVOKED),
        ("u1", status("unknown"), Membership.ABSENT),
        ("u1", status("unknown", uid="u2", approved=True), Membership.ABSENT),
        ("u1", status("unregistered"), Membership.DECOMMISSIONED),
        ("u1", status("unregistered", uid="u1"), Membership.DECOMMISSIONED),
        ("u1", status("unregistered", uid="u2"), Membership.REVOKED),  # another device is meant
        (NAME.uid, status("registered", uid="u1"), Membership.ACTIVE),  # the store gave none before
        (NAME.uid, status("registered", uid="u1", public_key_fingerprint=KEY), Membership.ACTIVE),
        (
            NAME.uid,
            status("registered", uid="u1", public_key_fingerprint=OTHER),
            Membership.REVOKED,
        ),
        ("u1", status("registered", uid="u2", public_key_fingerprint=KEY), Membership.REVOKED),
    ],
)
def test_membership(uid: str | None, said: RegistrationStatus, membership: Membership) -> None:
    assert judge_membership(peer(uid), said) is membership


def test_a_renewal_with_a_lost_response_is_of_the_same_device() -> None:
    said = status("registered", uid="u1", public_key_fingerprint=OTHER)
    assert judge_membership(peer(NAME.uid), said, OTHER) is Membership.ACTIVE


@pytest.mark.parametrize(
    ("said", "known", "contradiction"),
    [
        (status("unregistered"), "", ""),
        (status("unregistered", uid="u1", namespace="default"), "u1", ""),
        (status("unregistered", uid="u1"), "", ""),
        (status("unregistered", namespace="elsewhere"), "", "of the namespace elsewhere"),
        (status("unregistered"), "u1", "with no uid than before"),
        (status("unregistered", uid="u2"), "u1", "with another uid than before"),
    ],
)
def test_a_wish_that_contradicts_what_was_said_is_of_another(
    said: RegistrationStatus, known: str, contradiction: str
) -> None:
    assert find_contradiction(peer(None), said, known) == contradiction


@pytest.mark.parametrize(
    ("said", "error", "sentence"),
    [
        (status("registered"), None, ""),
        (status("registered", public_key_fingerprint=KEY), None, ""),
        (status("registered", public_key_fingerprint=OTHER), Refusal, "another key meanwhile"),
        (status("unknown"), StoreAnswerInvalid, "says then that it is unknown"),
        (status("unregistered", uid="u1"), StoreAnswerInvalid, "is unregistered; correct"),
    ],
)
def test_what_is_not_recorded_gives_no_certificate(
    said: RegistrationStatus, error: type[Exception] | None, sentence: str
) -> None:
    if error is None:
        require_recorded(NAME, said, KEY)
        return
    with pytest.raises(error, match=sentence):
        require_recorded(NAME, said, KEY)


def test_the_store_puts_devices_only_where_the_batch_lets_them() -> None:
    shops = batch(namespaces=["default", "shops"])
    for namespace in ("", "default", "shops"):
        require_allowed_namespace(shops, status("registered", namespace=namespace))
    with pytest.raises(Refusal, match="correct the data store") as refusal:
        require_allowed_namespace(shops, status("registered", namespace="flotta"))
    assert refusal.value.reason == "NamespaceNotAllowed"


ENROLLED = Applicant(0, enrolled_key=KEY, is_approved=True)


@pytest.mark.parametrize(
    ("said", "applicant", "key", "reason"),
    [
        (status("unknown"), None, KEY, "NotApproved"),
        (status("unknown"), Applicant(0, enrolled_key=KEY), KEY, "NotApproved"),
        (status("unknown", approved=False), ENROLLED, KEY, "NotApproved"),
        (status("unregistered"), None, KEY, "NotApproved"),
        (status("unknown"), ENROLLED, KEY, ""),
        (status("unregistered"), ENROLLED, KEY, ""),
        (status("unknown"), ENROLLED, OTHER, "OtherKey"),
        (status("unknown", approved=True), None, KEY, ""),  # the store knows who asked
        (status("unknown", approved=True), ENROLLED, OTHER, "OtherKey"),
        (status("unknown"), Applicant(0, is_approved=True), KEY, "OtherKey"),  # named no key
        (status("registered"), None, KEY, "OtherKey"),
        (status("registered"), ENROLLED, KEY, "OtherKey"),
        (status("registered"), Applicant(0, registered_key=KEY), KEY, ""),
        (status("registered"), Applicant(0, registered_key=OTHER), KEY, "OtherKey"),
        (status("registered", public_key_fingerprint=KEY), None, KEY, ""),
        (status("registered", public_key_fingerprint=OTHER), ENROLLED, KEY, "OtherKey"),
        (status("registered", approved=True), ENROLLED, KEY, "OtherKey"),
    ],
)
def test_who_may_register(
    said: RegistrationStatus, applicant: Applicant | None, key: str, reason: str
) -> None:
    if not reason:
        require_may_register(batch(), said, applicant, key)
        return
    with pytest.raises(Refusal) as refusal:
        require_may_register(batch(), said, applicant, key)
    assert refusal.value.reason == reason


def test_a_batch_may_allow_a_request_without_a_key() -> None:
    any_key = batch(allowWithoutFingerprint=True)
    require_may_register(any_key, status("unknown"), Applicant(0, is_approved=True), KEY)


@pytest.mark.parametrize(
    ("specification", "is_countable"),
    [
        ({}, True),
        ({"uses": 1}, False),
        ({"uses": 1, "deviceIDs": ["a"]}, True),
        ({"uses": 1, "deviceIDs": ["a", "b"]}, False),
        ({"uses": 9, "deviceIDs": ["till-*"]}, False),
    ],
)
def test_uses_that_follow_from_the_ids_need_no_count(
    specification: dict[str, Any], is_countable: bool
) -> None:
    if is_countable:
        require_countable(batch(**specification))
        return
    with pytest.raises(Refusal, match="list the ids"):
        require_countable(batch(**specification))


def test_the_uid_is_that_of_the_store_of_the_certificate_or_of_the_name() -> None:
    by_name = str(uuid.uuid5(uuid.NAMESPACE_URL, "default/till-7"))
    assert NAME.uid == by_name
    registration = Peer("registration", "", "default", ("default",), None, "f", KEY, NOW, NOW)

    assert uid_of(NAME, status("registered", uid="u2"), peer("u1")) == "u2"
    assert uid_of(NAME, status("registered"), peer("u1")) == "u1"
    assert uid_of(NAME, status("registered"), registration) == by_name


def configuration(**fields: Any) -> bytes:
    message = {"configuration": {}, **fields}
    return json.dumps({"device-configuration": message}).encode()


def test_the_version_is_of_the_content_whatever_the_store_calls_it() -> None:
    plain = read_configuration(NAME, configuration())
    content = json.loads(plain.content)

    assert content == {"configuration": {}, "device_id": "till-7", "version": plain.version}
    assert read_configuration(NAME, configuration(device_id="TILL-7")).version == plain.version
    named = read_configuration(NAME, configuration(version="41"))
    assert json.loads(named.content)["version"] == "41"
    assert named.version != plain.version
    changed = read_configuration(NAME, configuration(workloads=[{"name": "shop"}]))
    assert changed.version not in (plain.version, named.version)


def test_how_new_inputs_are_changes_no_version_and_unknown_fields_stay() -> None:
    inputs = {"device_uid": "u", "workloads_version": "7", "device_version": "1"}
    plain = read_configuration(NAME, configuration(of_tomorrow=[1]))
    dated = read_configuration(NAME, configuration(of_tomorrow=[1], inputs_version=inputs))

    assert dated.version == plain.version
    assert dated.inputs is not None
    assert dated.inputs.workloads_version == "7"
    assert json.loads(dated.dated_content)["inputs_version"] == inputs
    assert json.loads(dated.content)["of_tomorrow"] == [1]


def test_lists_and_objects_may_be_null_as_in_v02() -> None:
    body = configuration(workloads=None, secrets=None)
    assert read_configuration(NAME, body).content


def test_a_status_keeps_what_it_says() -> None:
    body = b'{"status": "registered", "namespace": "plant-7", "uid": "u", "of_tomorrow": {}}'
    assert read_status(NAME, body) == status("registered", namespace="plant-7", uid="u")
    with pytest.raises(StoreAnswerInvalid, match="uid"):
        read_status(NAME, b'{"status": "registered", "uid": "a\\nb"}')
    with pytest.raises(StoreAnswerInvalid, match="use a UUID"):
        read_status(NAME, '{"status": "registered", "uid": "gerät-ü"}'.encode())
    with pytest.raises(StoreAnswerInvalid, match="registered, unregistered or unknown"):
        read_status(NAME, b'{"status": "Registered"}')


def test_names_in_the_feed() -> None:
    assert read_name("default/till-7") == NAME
    assert [read_name(text) for text in ("", "till-7", "/", "a/", "/b")] == [None] * 5


@pytest.mark.parametrize(
    ("status_", "reason", "is_outage", "retriable"),
    [
        (400, "StoreAnswerInvalid", False, False),
        (401, "StoreRefused", False, False),
        (403, "StoreRefused", False, False),
        (307, "StoreAnswerInvalid", False, False),
        (202, "StoreAnswerInvalid", False, False),
        (429, "StoreUnreachable", False, False),
        (500, "StoreUnreachable", False, True),
        (502, "StoreUnreachable", True, True),
        (503, "StoreUnreachable", True, False),
        (504, "StoreUnreachable", True, True),
    ],
)
def test_unexpected_statuses(status_: int, reason: str, is_outage: bool, retriable: bool) -> None:
    error = explain("PUT heartbeat", Answer(status_, {}, b""))
    assert error.refusal.status == 503
    assert error.refusal.reason == reason
    assert (error.is_outage, error.retriable) == (is_outage, retriable)
    assert str(status_) in error.text


def test_a_store_cannot_make_devices_wait_for_ever() -> None:
    def wait(text: str) -> int:
        error = explain("PUT heartbeat", Answer(503, {"retry-after": text}, b""))
        return int(error.refusal.headers["Retry-After"])

    assert 120 <= wait("120") <= 140
    assert wait("999999999") <= 20
    assert wait("99999") <= 320
    assert wait("Wed, 21 Oct 2026 07:28:00 GMT") <= 20


def test_the_id_of_a_message_fits_a_header_whatever_a_device_calls_it() -> None:
    def id_of(text: str) -> str:
        call: Call = put_heartbeat(NAME, peer(), text, Heartbeat())
        return call.headers["Flotta-Message-ID"]

    plain = str(uuid.uuid4())
    assert id_of(plain) == plain
    assert uuid.UUID(id_of("a\r\nHost: x"))
    assert id_of("ä" * 200) == id_of("ä" * 200)
    assert id_of("") != id_of("")


def test_paths_are_quoted() -> None:
    assert DeviceName("a", "x/../y").path("heartbeat") == (
        "/namespaces/a/devices/x%2F..%2Fy/heartbeat"
    )


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_applicants_are_forgotten_after_an_hour_and_when_there_are_too_many() -> None:
    clock = Clock()
    applicants = Applicants(remembered=3, clock=clock)
    for number in range(5):
        applicants.note_enrolment(DeviceName("a", str(number)), KEY, is_approved=True)
    assert len(applicants) == 3
    assert applicants.find(DeviceName("a", "1")) is None
    applicants.note_registration(DeviceName("a", "4"), OTHER)
    found = applicants.find(DeviceName("a", "4"))
    assert found is not None
    assert (found.registered_key, found.is_approved) == (OTHER, False)
    clock.now += 3601
    assert applicants.find(DeviceName("a", "4")) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5),
        ("500ms", 0.5),
        ("1m30s", 90),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("1h1m1s1ms", 3661.001),
        ("10µs", 1e-5),
        ("0", 0),
    ],
)
def test_durations_of_go(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 s", "-5s", "5S", "5d", "1e3s", "5s5", "١s", "5s" * 40]
)
def test_what_is_not_a_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_the_answer_of_v02_without_a_configuration_is_null() -> None:
    with pytest.raises(StoreAnswerInvalid, match="device-configuration"):
        read_configuration(NAME, msgspec.json.encode({"device-configuration": None}))


def test_what_takes_memory_and_serves_nobody_is_not_kept() -> None:
    said = {"status": "registered", "namespace": "default", "message": "m" * 60_000}
    assert read_status(NAME, msgspec.json.encode(said)) == status("registered", namespace="default")
    with pytest.raises(StoreAnswerInvalid, match="hex SHA-256"):
        read_status(NAME, msgspec.json.encode({**said, "public_key_fingerprint": "a" * 129}))
    inputs = {"device_uid": "u" * 10_000}
    configuration = {"device-configuration": {"configuration": {}, "inputs_version": inputs}}
    assert read_configuration(NAME, msgspec.json.encode(configuration)).inputs is None


@pytest.mark.parametrize("body", [b'{"status": "ok"}', b"{}", b'{"devices": []}', b"[]"])
def test_changes_without_a_version_are_none(body: bytes) -> None:
    with pytest.raises(StoreAnswerInvalid, match="with the changes"):
        read_changes(body)
