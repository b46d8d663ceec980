"""What a quarantine says, whom it concerns, and which keys it leaves to the administrator."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from operator_objects import NOW, SETTINGS, applied, claim, device, workload

from flotta.edge_api.backends.crd.quarantine import require_released
from flotta.edge_api.refusals import Refusal
from flotta.fleet.explanation import explain_device
from flotta.fleet.quarantine import KEEP, STOP, is_quarantined, make_section, quarantine_of
from flotta.fleet.quarantined_keys import find_keys
from flotta.fleet.status import device_state
from flotta.operator.controllers.claim import concerned_by_device
from flotta.operator.controllers.device.plan import plan_device
from flotta.operator.runtime.steps import Patch, Plan, RecordEvent
from flotta.resources.client import Client
from flotta.resources.conditions import QUARANTINED, find_condition
from flotta.resources.finalizers import BUCKET_FINALIZER
from flotta.storage.errors import StorageRefused
from flotta.storage.provisioner import Provisioner, choose_issuer
from flotta.storage.s3_site import S3Site
from flotta.storage.settings import StorageSettings

Object = dict[str, Any]
WORD = make_section("ada (flotta device)", STOP, "Left in a taxi", datetime(2026, 5, 1, tzinfo=UTC))
SECRET_SPEC = {
    "pod": {
        "spec": {
            "containers": [
                {"name": "c", "envFrom": [{"secretRef": {"name": "till-api"}}]},
            ]
        }
    },
    "imageRegistries": {"secretRef": {"name": "registry"}},
    "deviceSelector": {"matchLabels": {}},
}


def quarantined(**fields: Any) -> Object:
    spec = {"quarantine": WORD, **fields.pop("spec", {})}
    return device(spec=spec, labels={"edgedeviceSignedRequest": "true"}, **fields)


def issued(condition: str = "", **metadata: Any) -> Object:
    """Return a claim that the operator gave keys for, with the reason of its condition Ready."""
    made = claim("Bound", finalizers=[BUCKET_FINALIZER], **metadata)
    if condition:
        made["status"]["conditions"] = [{"type": "Ready", "status": "False", "reason": condition}]
    return made


def planned(thing: Object, bucket_claim: Object | None = None, *workloads: Object) -> Plan:
    return plan_device(thing, workloads, None, bucket_claim, SETTINGS, NOW)


def after(thing: Object, plan: Plan) -> Object:
    """Return the device after the plan's patch of its status."""
    steps = [item for item in plan.steps if isinstance(item, Patch) and item.subresource]
    return applied(thing, Plan(tuple(steps)))


def said(thing: Object, plan: Plan) -> tuple[str, str]:
    """Return reason and message of condition Quarantined after a plan."""
    found = find_condition(after(thing, plan)["status"]["conditions"], QUARANTINED)
    assert found
    assert found["status"] == "True"
    return found["reason"], found["message"]


@pytest.mark.parametrize(
    ("section", "pods"), [({}, STOP), ({"pods": "Keep"}, KEEP), ({"pods": "Stop"}, STOP)]
)
def test_a_section_quarantines_even_if_it_is_empty(section: Object, pods: str) -> None:
    found = quarantine_of(device(spec={"quarantine": section}))

    assert found
    assert found.pods == pods


def test_a_device_without_the_section_is_not_quarantined() -> None:
    assert not is_quarantined(device())
    assert not is_quarantined(device(spec={"quarantine": None}))
    assert not is_quarantined(None)


def test_the_refusal_says_whether_pods_stop_and_ends_the_connection() -> None:
    with pytest.raises(Refusal) as caught:
        require_released(device(spec={"quarantine": {"pods": "Keep"}}))

    assert (caught.value.status, caught.value.reason) == (403, "DeviceQuarantined")
    assert caught.value.details == {"pods": "Keep"}
    assert caught.value.closes
    require_released(device())


def test_status_and_explanation_say_who_when_why_and_how_it_ends() -> None:
    assert device_state(quarantined()) == "quarantined"

    lines = explain_device(quarantined(), [], [])

    assert lines[0].startswith("till-1 is quarantined. ")
    assert lines[1] == (
        "It is quarantined since 2026-05-01T00:00:00Z, by ada (flotta device): Left in a taxi."
    )
    assert lines[2] == "Let it in again with: flotta device release till-1 -n default"


def test_a_device_that_is_being_deleted_is_leaving_whatever_else_it_is() -> None:
    assert device_state(quarantined(deleted="2026-05-01T12:00:00Z")) == "leaving"


def test_the_operator_says_it_once_as_an_event_and_as_a_condition_while_it_lasts() -> None:
    thing = quarantined()
    plan = planned(thing)
    later = after(thing, plan)

    events = [step for step in plan.steps if isinstance(step, RecordEvent)]
    assert [(event.type_, event.reason) for event in events] == [("Warning", "Quarantined")]
    assert said(thing, plan)[0] == "Refused"
    assert not [step for step in planned(later).steps if isinstance(step, RecordEvent)]


def test_the_end_is_an_event_and_the_condition_goes() -> None:
    thing = quarantined()
    later = after(thing, planned(thing))
    del later["spec"]["quarantine"]

    plan = planned(later)

    events = [step for step in plan.steps if isinstance(step, RecordEvent)]
    assert [(event.type_, event.reason) for event in events] == [("Normal", "Released")]
    assert find_condition(after(later, plan)["status"]["conditions"], QUARANTINED) is None


@pytest.mark.parametrize(
    ("bucket_claim", "reason", "part"),
    [
        (issued(), "RevokingKeys", "ObjectBucketClaim till-1 are being revoked"),
        (issued("KeysRevoked"), "Refused", "ObjectBucketClaim till-1 are revoked"),
        (issued("KeysShared"), "ForeignKeys", "Secret till-1 was not issued by flotta"),
        (claim("Bound"), "ForeignKeys", "Secret till-1 was not issued by flotta"),
    ],
    ids=["pending", "revoked", "shared", "another provisioner"],
)
def test_the_keys_of_a_claim_are_said_to_be_closed_only_when_they_are(
    bucket_claim: Object, reason: str, part: str
) -> None:
    thing = quarantined()

    found, message = said(thing, planned(thing, bucket_claim))

    assert found == reason
    assert part in message


def provisioner(client: Writes, settings: StorageSettings) -> Provisioner:
    site = S3Site(settings)
    issuer = choose_issuer(settings, site)
    return Provisioner(cast("Client", client), site, issuer, "https://s3", "", "flotta")


async def test_keys_that_all_devices_share_stay_and_the_claim_says_so(tmp_path: Path) -> None:
    client = Writes()
    settings = StorageSettings("https://s3", "https://s3", tmp_path / "admin", shared_keys=True)
    spec = {"storageClassName": "", "bucketName": "till-1-0"}

    await provisioner(client, settings).reconcile({**issued(), "spec": spec}, quarantined=True)

    (condition,) = client.patches[0]["status"]["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "KeysShared")
    assert len(client.patches) == 1


async def test_keys_of_a_bucket_that_the_claim_no_longer_names_are_not_called_revoked(
    tmp_path: Path,
) -> None:
    client = Writes()
    settings = StorageSettings("https://s3", "https://s3", tmp_path / "admin", keys=tmp_path)
    spec = {"storageClassName": "", "bucketName": "somebody-elses"}

    with pytest.raises(StorageRefused, match=r"spec\.bucketName was changed"):
        await provisioner(client, settings).reconcile({**issued(), "spec": spec}, quarantined=True)
    assert client.patches == []


class Writes:
    """A client that only records patches: nothing else is asked of it."""

    def __init__(self) -> None:
        self.patches: list[Object] = []

    async def merge_patch(self, kind: object, name: str, namespace: str, *rest: Any) -> Object:
        self.patches.append(rest[0])
        return issued()


def test_keys_of_another_s3_server_are_named_beside_those_that_are_revoked() -> None:
    thing = quarantined(spec={"storage": {"s3": {"secretName": "minio", "configMapName": "m"}}})

    keys = find_keys(thing, [thing["spec"]], issued("KeysRevoked"))

    assert (keys.claim, keys.is_revoked, keys.elsewhere) == ("till-1", True, ("minio",))


def test_a_claim_of_somebody_else_is_none_of_its_keys() -> None:
    foreign = issued(ownerReferences=[{"kind": "EdgeDevice", "name": "x", "uid": "another"}])

    assert find_keys(quarantined(), [], foreign).claim == ""


def test_the_secrets_that_its_workloads_gave_it_are_named() -> None:
    thing = quarantined()

    _, message = said(thing, planned(thing, None, workload(device="till-1", **SECRET_SPEC)))

    assert "registry, till-api" in message


def test_the_claim_of_a_device_is_looked_at_when_a_quarantine_begins_and_ends() -> None:
    free, held = device(dataObc="bucket-of-till-1"), quarantined(dataObc="bucket-of-till-1")
    keys = [("default", "bucket-of-till-1"), ("default", "till-1")]

    assert list(concerned_by_device(free, held)) == keys
    assert list(concerned_by_device(held, free)) == keys
    assert list(concerned_by_device(held, {**held, "status": {}})) == []
    assert list(concerned_by_device(None, free)) == []


def test_what_is_recorded_acts_on_no_terminal_and_fits_the_schema() -> None:
    section = make_section("ada\x1b[2J", KEEP, "x" * 5000 + "\n", datetime.now(UTC))

    assert "\x1b" not in section["by"]
    assert len(section["reason"]) == 1024
