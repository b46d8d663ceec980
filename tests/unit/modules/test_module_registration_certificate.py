"""The modules registration_certificate and registration_certificate_info on Secrets in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.batch_specification import (
    SpecificationError,
    parse_specification,
)
from ansible_collections.flotta.edge.plugins.module_utils._flotta.merge_patch import (
    apply_merge_patch,
)
from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import (
    CONFIG_MAP,
    EDGE_DEVICE,
    SECRET,
    SIGNED_REQUEST,
    Kind,
)
from memory_client import MemoryClient, Object
from module_run import COLLECTIONS, run

from flotta.edge_api.backends.files.directory import SecretDirectory
from flotta.identity.authority import Authority
from flotta.identity.keys import new_key
from flotta.identity.requests import certificate_request, load_request
from flotta.rfc3339 import format_time
from pkcs8 import to_pkcs8

MODULE = "registration_certificate"
LABEL = "management.project-flotta.io/registration-batch"
ERROR = "management.project-flotta.io/batch-error"
UID = "0b6f0f5c-2f10-4a55-8d3e-5f0c2c3e9e0f"


def encoded(**pem: bytes) -> dict[str, str]:
    return {name.replace("_", "."): b64encode(value).decode() for name, value in pem.items()}


class Filled(MemoryClient):
    """Fills each batch at once, as the Edge API does a moment later."""

    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self.authority = authority
        self.idle = False

    async def create(self, kind: Kind, obj: Object, *, dry_run: bool = False) -> Object:
        created = await super().create(kind, obj, dry_run=dry_run)
        return created if dry_run else self.fill(created)

    async def merge_patch(
        self, kind: Kind, name: str, namespace: str, patch: Object, *, dry_run: bool = False
    ) -> Object:
        patched = await super().merge_patch(kind, name, namespace, patch, dry_run=dry_run)
        return patched if dry_run else self.fill(patched)

    def fill(self, secret: Object) -> Object:
        if self.idle:
            return secret
        metadata, data = secret["metadata"], secret["data"]
        try:
            wanted = parse_specification(b64decode(data["batch"]))
        except SpecificationError as error:
            metadata.setdefault("annotations", {})[ERROR] = f"InvalidBatch: {error}"
            return secret
        if wanted.revoked:
            data.pop("client.key", None)
            return secret
        until = wanted.expires or datetime.now(UTC) + timedelta(days=365)
        days = (until - datetime.now(UTC)) / timedelta(days=1)
        issued = self.authority.issue_registration(list(wanted.namespaces), days)
        secret["data"] = apply_merge_patch(
            data,
            encoded(
                client_crt=issued.certificate,
                client_key=issued.key,
                ca_crt=self.authority.certificate_pem,
            ),
        )
        return secret


@pytest.fixture
def client(client: MemoryClient, monkeypatch: pytest.MonkeyPatch) -> Filled:
    """Return a control plane in memory whose Edge API fills batches."""
    filled = Filled(Authority.create("Flotta CA", "flotta"))
    monkeypatch.setattr(client, "connect", filled.connect)
    return filled


def specification(client: MemoryClient, name: str) -> Any:
    return json.loads(b64decode(client.objects["Secret", "flotta", name]["data"]["batch"]))


def test_a_batch_is_issued_once_and_comes_with_key_and_ca(client: Filled) -> None:
    first, again = (run(MODULE, name="berlin", uses=5) for _ in "ab")
    assert (first["changed"], again["changed"]) == (True, False)
    assert first["ca"] == client.authority.certificate_pem.decode()
    assert first["certificate"].startswith("-----BEGIN CERTIFICATE-----")
    assert (first["certificate"], first["key"]) == (again["certificate"], again["key"])
    assert specification(client, "berlin") == {"namespaces": ["default"], "uses": 5}
    assert client.objects["Secret", "flotta", "berlin"]["metadata"]["labels"] == {
        "reg-client-ca": "true"
    }
    assert client.writes == ["create"]


def test_every_parameter_is_in_the_specification(client: Filled) -> None:
    run(
        MODULE,
        name="berlin",
        namespaces=["shops", "tills"],
        expires="2040-01-01T00:00:00Z",
        device_ids=["cam-*"],
        uses=7,
        labels={"site": "berlin", "floor": 3, "open": True},
        target_set="cameras",
        approval={
            "mode": "automatic",
            "serial_numbers": ["A1"],
            "hardware": {"cpu.architecture": "aarch64"},
            "source_networks": ["192.0.2.0/24"],
        },
        device_labels=["room"],
        allow_key_replacement=True,
        allow_without_fingerprint=True,
    )
    assert specification(client, "berlin") == {
        "namespaces": ["shops", "tills"],
        "expires": "2040-01-01T00:00:00Z",
        "deviceIDs": ["cam-*"],
        "uses": 7,
        "labels": {"site": "berlin", "floor": "3", "open": "true"},
        "targetSet": "cameras",
        "approval": {
            "mode": "Automatic",
            "serialNumbers": ["A1"],
            "hardware": {"cpu.architecture": "aarch64"},
            "sourceNetworks": ["192.0.2.0/24"],
        },
        "deviceLabels": ["room"],
        "allowWithoutFingerprint": True,
        "allowKeyReplacement": True,
    }


def test_check_mode_writes_nothing_and_shows_the_change(client: Filled) -> None:
    answer = run(MODULE, check_mode=True, name="berlin", uses=5)
    assert (answer["changed"], answer["certificate"], answer["key"]) == (True, "", "")
    assert answer["diff"] == {"before": {}, "after": {"namespaces": ["default"], "uses": 5}}
    run(MODULE, name="berlin", uses=5)
    answer = run(MODULE, check_mode=True, name="berlin", uses=6)
    assert (answer["changed"], answer["key"], answer["diff"]["after"]["uses"]) == (True, "", 6)
    assert run(MODULE, check_mode=True, name="berlin", uses=5)["key"]
    assert client.writes == ["create"]


def test_changed_namespaces_are_waited_for(client: Filled) -> None:
    first = run(MODULE, name="berlin", namespaces=["shops"])
    second = run(MODULE, name="berlin", namespaces=["tills"])
    assert second["changed"]
    assert second["certificate"] != first["certificate"]
    assert run(MODULE, name="berlin", expires="2099-01-01T00:00:00Z")["key"]  # outlives its CA
    client.idle = True
    late = run(MODULE, name="berlin", namespaces=["shops"], wait_timeout=0)
    assert (
        "did not issue the certificate of the registration batch berlin within 0 s" in (late["msg"])
    )
    assert "journalctl -u flotta-edge-api" in late["msg"]
    assert run(MODULE, name="berlin", namespaces=["shops"], wait=False)["key"] == ""


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"name": "Berlin"}, "name is 'Berlin'; use at most 253 lower-case letters"),
        ({"name": "a.b"}, "'a.b' cannot be the name of a registration batch"),
        ({"name": "a", "device_ids": ["A"]}, "deviceIDs[0] is neither a device id nor a pattern"),
        ({"name": "a", "approval": {"mode": "automatic"}}, "approval.mode must not be Automatic"),
        ({"name": "a", "expires": "soon"}, "expires is not a date-time"),
        ({"namespaces": ["a", "b"]}, "A batch for several namespaces needs a name"),
        (
            {"name": "a", "expires": "2020-01-01T00:00:00Z"},
            "expires is 2020-01-01T00:00:00Z, which",
        ),
        ({"name": "a", "validity": 0}, "validity is 0 s; set it to at least 60"),
        ({"name": "a", "validity": -5}, "validity is -5 s; set it to at least 60"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(
    client: Filled, given: dict[str, Any], sentence: str
) -> None:
    assert sentence in run(MODULE, **given)["msg"]
    assert client.writes == []


def test_what_the_edge_api_says_is_the_error(client: Filled) -> None:
    client.idle = True
    metadata = {
        "labels": {"reg-client-ca": "true"},
        "annotations": {ERROR: "InvalidBatch: it is so"},
    }
    batch = b64encode(b'{"namespaces":["default"]}').decode()
    client.have(SECRET, "a", "flotta", metadata=metadata, data={"batch": batch})
    answer = run(MODULE, name="a")
    assert "batch a is not issued: InvalidBatch: it is so" in answer["msg"]
    assert answer["reason"] == "InvalidBatch"


def test_another_secret_of_the_name_is_left_alone(client: Filled) -> None:
    client.have(SECRET, "s3", "flotta", data={"key": "value"})
    for state in ("present", "absent"):
        assert "flotta/s3 is not a registration batch" in run(MODULE, name="s3", state=state)["msg"]
    assert client.writes == []


def test_validity_is_counted_from_the_first_run_until_a_third_is_left(client: Filled) -> None:
    run(MODULE, name="a", validity=86400)
    first = specification(client, "a")["expires"]
    assert not run(MODULE, name="a", validity=86400)["changed"]
    soon = format_time(datetime.now(UTC) + timedelta(hours=7))
    run(MODULE, name="a", expires=soon)
    assert run(MODULE, name="a", validity=86400)["changed"]
    assert specification(client, "a")["expires"] >= first


def test_an_expiry_that_is_not_named_stays_and_an_expired_batch_is_not_opened_by_chance(
    client: Filled,
) -> None:
    run(MODULE, name="a", expires="2040-01-01T00:00:00Z")
    assert not run(MODULE, name="a")["changed"]
    ended, again = (run(MODULE, name="a", state="expired") for _ in "ab")
    assert (ended["changed"], again["changed"]) == (True, False)
    assert "a expired at" in run(MODULE, name="a")["msg"]
    assert "a expired at" in run(MODULE, name="a", validity=86400)["msg"]
    opened = run(MODULE, name="a", expires="2041-01-01T00:00:00Z")
    assert opened["changed"]
    assert opened["key"]


def test_batch_that_expired_as_specified_stays_as_it_is(client: Filled) -> None:
    run(MODULE, name="a", expires="2040-01-01T00:00:00Z")
    run(MODULE, name="a", state="expired")
    past = specification(client, "a")["expires"]
    kept = run(MODULE, name="a", expires=past, uses=3)
    assert (kept["changed"], "a has expired: it admits" in str(kept["warnings"])) == (False, True)
    assert "uses" not in specification(client, "a")
    assert "which has passed" in run(MODULE, name="a", expires="2020-01-01T00:00:00Z")["msg"]
    assert specification(client, "a")["expires"] == past


@pytest.mark.parametrize("state", ["expired", "revoked"])
def test_batch_that_is_gone_needs_no_end(client: Filled, state: str) -> None:
    answer = run(MODULE, name="a", state=state)
    assert (answer["changed"], client.writes) == (False, [])
    assert "There is no registration batch a" in str(answer["warnings"])


def test_name_alone_uses_the_batch_as_it_is_and_lost_limits_are_told(client: Filled) -> None:
    run(MODULE, name="a", uses=2, labels={"site": "x"}, namespaces=["shops"])
    alone = run(MODULE, name="a")
    assert (alone["changed"], bool(alone["key"])) == (False, True)
    assert "any more" not in str(alone.get("warnings"))
    told = run(MODULE, name="a", labels={"site": "x"})
    assert (told["changed"], "a has no uses any more" in str(told["warnings"])) == (True, True)


@pytest.mark.parametrize("batch", [b"{---", b'{"uses":0,"revoked":{}}'])
def test_invalid_batch_can_be_revoked_and_removed(client: Filled, batch: bytes) -> None:
    run(MODULE, name="a", namespaces=["shops"])
    client.objects["Secret", "flotta", "a"]["data"] |= encoded(batch=batch)
    assert run(MODULE, name="a", state="revoked", reason="Lost.")["changed"]
    assert set(specification(client, "a")) == {"namespaces", "revoked"}
    assert specification(client, "a")["namespaces"] == ["shops"]
    assert "client.key" not in client.objects["Secret", "flotta", "a"]["data"]
    assert run(MODULE, name="a", state="absent")["changed"]


@pytest.mark.parametrize(
    ("spent", "approved", "ended", "changed", "replaced"),
    [
        (False, False, False, False, False),
        (True, False, False, True, True),
        (True, True, False, False, False),  # the approval ends with the batch
        (False, False, True, True, False),
        (True, True, True, True, False),
        (True, False, True, True, True),
    ],
)
def test_ended_batch_admits_again_on_request(
    client: Filled, spent: bool, approved: bool, ended: bool, changed: bool, replaced: bool
) -> None:
    wanted = {"name": "a", "uses": 1, "validity": 86400, "reopen": True}
    run(MODULE, **wanted)
    client.objects["Secret", "flotta", "a"]["metadata"]["generateName"] = "first"
    if spent:
        client.have(CONFIG_MAP, "a-1", "flotta", metadata={"labels": {LABEL: "a"}}, data={})
    metadata = {"annotations": {LABEL: "a"}}
    client.have(SIGNED_REQUEST, "till-1", metadata=metadata, spec={"approved": approved})
    if ended:
        run(MODULE, name="a", state="expired")
    assert run(MODULE, check_mode=True, **wanted)["changed"] == changed
    answer = run(MODULE, **wanted)
    assert (answer["changed"], bool(answer["key"])) == (changed, True)
    metadata = client.objects["Secret", "flotta", "a"]["metadata"]
    assert ("generateName" not in metadata) == replaced
    assert (("ConfigMap", "flotta", "a-1") in client.objects) == (spent and not replaced)
    assert not run(MODULE, **wanted)["changed"]
    run(MODULE, name="a", state="revoked")
    assert "was revoked" in run(MODULE, **wanted)["msg"]


def test_revoked_is_for_good_and_absent_removes_the_batch(client: Filled) -> None:
    run(MODULE, name="a")
    checked = run(MODULE, check_mode=True, name="a", state="revoked")
    assert (checked["changed"], checked["diff"]["before"]) == (True, {"state": "active"})
    revoked = [run(MODULE, name="a", state="revoked", reason="Lost.") for _ in "ab"]
    assert [answer["changed"] for answer in revoked] == [True, False]
    said = specification(client, "a")["revoked"]
    assert (said["reason"], "flotta.edge.registration_certificate" in said["by"]) == ("Lost.", True)
    assert "client.key" not in client.objects["Secret", "flotta", "a"]["data"]
    message = run(MODULE, name="a", expires="2041-01-01T00:00:00Z")["msg"]
    assert "batch a was revoked at" in message
    assert "because: Lost., and stays so. Choose" in message
    assert not run(MODULE, name="a", state="expired")["changed"]
    assert run(MODULE, check_mode=True, name="a", state="absent")["changed"]
    gone = [run(MODULE, name="a", state="absent")["changed"] for _ in "ab"]
    assert gone == [True, False]
    assert client.objects == {}


@pytest.mark.parametrize("wanted", [{"uses": 9}, {"state": "expired"}])
def test_a_revocation_by_somebody_else_at_the_same_time_stays(
    client: Filled, monkeypatch: pytest.MonkeyPatch, wanted: dict[str, Any]
) -> None:
    run(MODULE, name="a")
    patch = client.merge_patch

    async def revoked_first(*args: Any, **options: Any) -> Object:
        monkeypatch.setattr(client, "merge_patch", patch)
        said = b64encode(b'{"revoked":{"at":"2026-01-01T00:00:00Z","by":"zoe"}}').decode()
        await patch(SECRET, "a", "flotta", {"data": {"batch": said}})
        return await patch(*args, **options)

    monkeypatch.setattr(client, "merge_patch", revoked_first)

    answer = run(MODULE, name="a", **wanted)

    assert specification(client, "a")["revoked"]["by"] == "zoe"
    if "uses" in wanted:
        assert "by zoe, and stays so. Choose another name" in answer["msg"]


@pytest.mark.parametrize("state", ["revoked", "absent"])
def test_what_nobody_decided_goes_with_the_batch(client: Filled, state: str) -> None:
    run(MODULE, name="a")
    group = "management.project-flotta.io"
    for name, batch, approved, more in (
        ("waits", "a", False, {}),
        ("approved", "a", True, {}),
        ("by-rule", "a", False, {f"{group}/approval": "{}"}),
        ("declined", "a", False, {f"{group}/declined": "true"}),
        ("other", "b", False, {}),
    ):
        metadata = {"annotations": {LABEL: batch, **more}}
        client.have(SIGNED_REQUEST, name, metadata=metadata, spec={"approved": approved})

    def left() -> set[str]:
        kind = SIGNED_REQUEST.kind
        return {name for found, _, name in client.objects if found == kind}

    before = left()
    assert run(MODULE, check_mode=True, name="a", state=state)["requests_deleted"] == 1
    assert left() == before
    assert run(MODULE, name="a", state=state)["requests_deleted"] == 1
    assert left() == before - {"waits"}
    again = run(MODULE, name="a", state=state)
    assert (again["changed"], again["requests_deleted"]) == (False, 0)


def test_without_a_name_there_is_one_certificate_for_the_namespace(client: Filled) -> None:
    first, again = (run(MODULE, namespace="shops") for _ in "ab")
    assert (first["changed"], again["changed"]) == (True, False)
    assert set(specification(client, "namespace-shops")) == {"namespaces", "expires"}
    run(MODULE, namespace="n" * 63)
    assert max(len(name) for _, _, name in client.objects) <= 52


def test_certificate_of_an_earlier_release_becomes_a_batch_when_it_is_revoked(
    client: Filled,
) -> None:
    issued = client.authority.issue_registration(["shops"])
    data = encoded(client_crt=issued.certificate, client_key=to_pkcs8(issued.key))
    metadata = {"labels": {"reg-client-ca": "true"}}
    client.have(SECRET, "reg-client-ca-1", "flotta", metadata=metadata, data=data)
    (batch,) = run("registration_certificate_info")["batches"]
    assert (batch["state"], batch["uses"]) == ("active", None)
    assert batch["specification"] == {"namespaces": ["shops"]}
    run(MODULE, name="reg-client-ca-1", state="revoked")
    assert set(specification(client, "reg-client-ca-1")) == {"namespaces", "revoked"}


def test_key_is_sec1_whatever_its_form_in_the_secret(client: Filled) -> None:
    issued = run(MODULE, name="a")
    assert issued["key"].startswith("-----BEGIN EC PRIVATE KEY-----")
    data = client.objects["Secret", "flotta", "a"]["data"]
    data |= encoded(client_key=to_pkcs8(issued["key"].encode()))
    again = run(MODULE, name="a")
    assert (again["changed"], again["key"]) == (False, issued["key"])


def device_certificate(authority: Authority, device: str, namespace: str, uid: str) -> str:
    request = load_request(certificate_request(new_key(), device))
    return authority.sign_device(request, device, namespace, uid, 30).decode()


@pytest.mark.parametrize(
    ("change", "needed"),
    [
        ({}, False),
        ({"uid": "7b1a9c1e-0000-4000-8000-000000000000"}, True),  # deleted and created again
        ({"device": "till-8"}, True),
        ({"namespace": "shops"}, True),
        ({"pem": "nonsense"}, True),
        ({"deletion": True}, True),
        ({"known": False}, True),
        ({"stranger": True}, True),  # of a CA that the control plane does not have
        ({"published": ""}, False),  # which CAs it has is not known yet
    ],
)
def test_device_with_a_certificate_of_its_own_needs_none(
    client: Filled, change: dict[str, Any], needed: bool
) -> None:
    if change.get("known", True):
        metadata = {"uid": UID, "creationTimestamp": "2026-01-01T00:00:00Z"}
        if change.get("deletion"):
            metadata["deletionTimestamp"] = "2026-01-02T00:00:00Z"
        client.have(EDGE_DEVICE, "till-7", metadata=metadata)
    trusted = change.get("published", client.authority.certificate_pem.decode())
    client.have(CONFIG_MAP, "flotta-certificates", "flotta", data={"ca.crt": trusted})
    stranger = Authority.create("Flotta CA", "flotta")
    pem = change.get("pem") or device_certificate(
        stranger if change.get("stranger") else client.authority,
        change.get("device", "till-7"),
        change.get("namespace", "default"),
        change.get("uid", UID),
    )
    wanted = {"name": "device-1", "device_ids": ["till-7"], "uses": 1, "validity": 86400}
    answer = run(MODULE, device_certificate=pem, **wanted)
    assert (answer["needed"], answer["changed"], bool(answer["key"])) == (needed, needed, needed)
    assert client.writes == (["create"] if needed else [])
    assert answer["ca"] == (trusted or "")


def test_member_gets_every_ca_while_one_replaces_another(client: Filled) -> None:
    both = (
        Authority.create("Flotta CA", "flotta").certificate_pem + client.authority.certificate_pem
    )
    client.have(CONFIG_MAP, "flotta-certificates", "flotta", data={"ca.crt": both.decode()})
    client.have(
        EDGE_DEVICE,
        "till-7",
        metadata={"uid": UID, "creationTimestamp": "2026-01-01T00:00:00Z"},
    )
    pem = device_certificate(client.authority, "till-7", "default", UID)
    answer = run(MODULE, name="device-1", device_ids=["till-7"], device_certificate=pem)
    assert (answer["needed"], answer["ca"]) == (False, both.decode())


def test_info_counts_uses_and_has_no_key(client: Filled) -> None:
    run(MODULE, name="a", uses=2)
    run(MODULE, name="b")
    for slot in (1, 2):
        client.have(CONFIG_MAP, f"a-{slot}", "flotta", metadata={"labels": {LABEL: "a"}}, data={})
    answer = run("registration_certificate_info")
    shown = {batch["name"]: batch for batch in answer["batches"]}
    assert (shown["a"]["state"], shown["a"]["uses"], shown["a"]["uses_taken"]) == ("used up", 2, 2)
    assert (shown["b"]["state"], shown["b"]["uses"], shown["b"]["uses_taken"]) == (
        "active",
        None,
        0,
    )
    assert "PRIVATE KEY" not in json.dumps(answer)
    (one,) = run("registration_certificate_info", name="b")["batches"]
    assert one["name"] == "b"


PRINTED = """
import sys
from importlib import import_module
from types import SimpleNamespace

sys.path.append(sys.argv[1])
plugins = "ansible_collections.flotta.edge.plugins.action"
plugin = import_module(f"{plugins}.registration_certificate")
other = import_module(f"{plugins}.server_certificate")
context = SimpleNamespace(no_log=False)
action = object.__new__(other.ActionModule)
action._connection = SimpleNamespace(_play_context=context)
plugin.ActionBase.run = lambda *_: {}
for result in ({"key": "secret"}, {"key": ""}, {"module_stdout": "? PRIVATE KEY"}):
    action._execute_module = lambda **_: {**result, "hidden": context.no_log}
    print(action.run())
"""


def test_connection_does_not_print_the_key_that_the_module_prints() -> None:
    """The connection ssh prints the output of modules at -vvv, unless its context forbids that.

    In a process of its own: modules take one that has imported a plugin for the controller.
    """
    done = subprocess.run(
        [sys.executable, "-c", PRINTED, COLLECTIONS],
        env=os.environ | {"HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().splitlines() == [
        "{'key': 'secret', 'hidden': True, '_ansible_no_log': True}",
        "{'key': '', 'hidden': True}",
        "{'module_stdout': '? PRIVATE KEY', 'hidden': True, '_ansible_no_log': True}",
    ]


def test_batches_are_asked_for_in_a_directory_where_there_is_no_resource_api(
    tmp_path: Path,
) -> None:
    directory = str(tmp_path / "certificates")
    asked = {"name": "till", "device_ids": ["till-7"], "certificates_dir": directory}
    assert "there is no directory" in run(MODULE, wait=False, **asked)["msg"]
    SecretDirectory(tmp_path / "certificates").prepare()

    first = run(MODULE, wait=False, **asked)
    again = run(MODULE, wait=False, **asked)
    assert (first["changed"], first["key"], again["changed"]) == (True, "", False)
    (listed,) = run(f"{MODULE}_info", certificates_dir=directory)["batches"]
    assert (listed["name"], listed["state"]) == ("till", "waiting")
    assert listed["specification"]["deviceIDs"] == ["till-7"]
    revoked = run(MODULE, name="till", state="revoked", certificates_dir=directory)
    assert (revoked["changed"], revoked["requests_deleted"]) == (True, 0)
    assert run(MODULE, name="till", state="absent", certificates_dir=directory)["changed"]
    assert list((tmp_path / "certificates").iterdir()) == []


@pytest.mark.parametrize("is_own", [True, False])
def test_without_a_resource_api_a_device_is_known_by_who_issued_its_certificate(
    tmp_path: Path, is_own: bool
) -> None:
    fleet, other = Authority.create("Flotta CA"), Authority.create("Flotta CA")
    directory = SecretDirectory(tmp_path / "certificates")
    directory.prepare()
    issued = fleet.issue_server(["localhost"]).certificate
    directory.create("flotta-certificates", {"ca.crt": fleet.certificate_pem, "server.crt": issued})
    request = load_request(certificate_request(new_key(), "till-7"))
    issuer = fleet if is_own else other
    certificate = issuer.sign_device(request, "till-7", "default", UID, 30).decode()

    answer = run(
        MODULE,
        wait=False,
        device_ids=["till-7"],
        device_certificate=certificate,
        certificates_dir=str(directory.path),
    )
    assert (answer.get("needed", True), answer["changed"]) == (not is_own, not is_own)
