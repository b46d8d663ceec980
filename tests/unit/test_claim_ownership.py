"""Whose a bucket claim is: its keys, its deletion, and what the condition says."""

from __future__ import annotations

from typing import Any

import pytest
from fleet_objects import Objects
from fleet_objects import device as rendered_device
from operator_objects import (
    LATER,
    NOW,
    SETTINGS,
    Object,
    applied,
    claim,
    device,
    s3,
)

from flotta.fleet.claim_ownership import DEVICE_ANNOTATION, NOOBAA_CLASS, is_claim_of
from flotta.fleet.rendering import render_configuration
from flotta.operator.controllers.device.bucket_claims import bound_claim_name
from flotta.operator.controllers.device.decommission import plan_decommission
from flotta.operator.controllers.device.plan import plan_device
from flotta.operator.runtime.steps import Delete, Plan
from flotta.operator.settings import Settings
from flotta.resources.conditions import find_condition
from flotta.resources.kinds import BUCKET_CLAIM

WANTED = Settings(bucket_auto_create=True)
DISCONNECTED = [{"type": "Disconnected", "status": "True"}]
NOOBAA: Object = {"generateBucketName": "till-1", "storageClassName": NOOBAA_CLASS}
SINCE = "2026-05-01T11:00:00Z"


def foreign(**metadata: Any) -> Object:
    """Return a bound claim of the device's name that somebody else made."""
    return claim("Bound", **{"ownerReferences": [], **metadata})


def of_v02(**spec: Any) -> Object:
    return foreign() | {"spec": NOOBAA | spec}


def migrated(**fields: Any) -> Object:
    found = device(dataObc="till-1", **fields)
    found["metadata"]["creationTimestamp"] = SINCE
    return found


def storage(resource: Object) -> Object:
    return find_condition(resource["status"]["conditions"], "StorageReady") or {}


@pytest.mark.parametrize("settings", [SETTINGS, WANTED])
@pytest.mark.parametrize("status", [{}, {"dataObc": "till-1"}])
@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"ownerReferences": [{"uid": "an-earlier-till-1", "name": "till-1"}]},
        {"annotations": {DEVICE_ANNOTATION: "uid-till-2"}},
        # Whoever enrols under a name next must not get the bucket of the one before.
        {"annotations": {DEVICE_ANNOTATION: "till-1"}},
    ],
)
def test_claim_of_somebody_else_is_not_used_and_the_condition_says_what_to_do(
    settings: Settings, status: Object, metadata: Object
) -> None:
    theirs = foreign(**metadata)
    written = applied(device(), plan_device(device(**status), [], None, theirs, settings, NOW))
    assert "dataObc" not in {k for k, v in written["status"].items() if v}
    assert (storage(written)["status"], storage(written)["reason"]) == ("False", "ClaimForeign")
    assert storage(written)["message"].endswith(
        "kubectl annotate objectbucketclaim till-1 --namespace default "
        "flotta.project-flotta.io/device=uid-till-1 --overwrite"
    )


def test_pending_claim_of_somebody_else_is_reported_at_once() -> None:
    theirs = foreign() | {"status": {"phase": "Pending"}}
    plan = plan_device(device(), [], None, theirs, WANTED, NOW)
    assert storage(applied(device(), plan))["reason"] == "ClaimForeign"


def test_claim_is_used_when_its_annotation_has_the_uid_of_the_device() -> None:
    lent = foreign(annotations={DEVICE_ANNOTATION: "uid-till-1"})
    written = applied(device(), plan_device(device(), [], None, lent, SETTINGS, NOW))
    assert (written["status"]["dataObc"], storage(written)["reason"]) == ("till-1", "ClaimBound")


def test_claim_that_v02_made_stays_in_use() -> None:
    assert is_claim_of(of_v02(), migrated())
    assert bound_claim_name(migrated(), of_v02()) == "till-1"


@pytest.mark.parametrize(
    ("theirs", "own"),
    [
        (of_v02(), device()),  # nothing recorded: a new device chose the name
        (of_v02(storageClassName="fast"), migrated()),
        (of_v02(generateBucketName="tills"), migrated()),
        (of_v02() | {"metadata": foreign(creationTimestamp="2026-05-01T10:59:59Z")["metadata"]},
         migrated()),
        (of_v02() | {"metadata": foreign(ownerReferences=[{"uid": "x"}])["metadata"]}, migrated()),
    ],
)  # fmt: skip
def test_claim_that_v02_cannot_have_made_for_the_device_is_foreign(
    theirs: Object, own: Object
) -> None:
    assert not is_claim_of(theirs, own)


@pytest.mark.parametrize(
    "theirs", [foreign(), of_v02(), foreign(annotations={DEVICE_ANNOTATION: "uid-till-1"})]
)
def test_deleted_device_leaves_every_claim_that_it_does_not_own(theirs: Object) -> None:
    gone = migrated(conditions=DISCONNECTED, deleted="2026-05-01T11:59:00Z")
    steps = plan_decommission(gone, theirs, None, NOW, 300).steps
    assert not [step for step in steps if isinstance(step, Delete)]
    (own,) = plan_decommission(gone, claim("Bound"), None, NOW, 300).steps
    assert isinstance(own, Delete)
    assert own.kind is BUCKET_CLAIM


def test_bound_claim_and_its_condition_say_that_the_external_bucket_is_ignored() -> None:
    both = device(spec=s3(configMapName="c", secretName="s"))
    plan = plan_device(both, [], None, claim("Bound"), WANTED, NOW)
    shown = storage(applied(both, plan))
    assert (shown["status"], shown["reason"]) == ("True", "ExternalIgnored")
    assert "configMapName and secretName of storage.s3 are ignored" in shown["message"]


def test_foreign_claim_does_not_concern_a_device_with_an_external_bucket() -> None:
    external = device(spec=s3(configMapName="c", secretName="s"))
    assert plan_device(external, [], None, foreign(), WANTED, LATER) == Plan()


# What the Edge API delivers: it looks for itself, whatever the status says.


def keys() -> Objects:
    return (
        Objects()
        .with_config_map("d-17", BUCKET_NAME="b", BUCKET_HOST="h", BUCKET_PORT="1")
        .with_secret("d-17", AWS_ACCESS_KEY_ID="k", AWS_SECRET_ACCESS_KEY="hidden")
    )


def test_keys_of_a_foreign_claim_are_not_delivered_nor_kept() -> None:
    own = rendered_device({}, {"dataObc": "d-17"})
    before = render_configuration(own, keys().with_claim("d-17"))
    assert before.s3 is not None
    after = render_configuration(own, keys().with_claim("d-17", owner="another"), before.s3)
    assert (after.s3, after.storage_unresolved, after.problems) == (None, False, ())


@pytest.mark.parametrize("missing", ["Secret", "ConfigMap"])
def test_objects_that_the_claim_does_not_own_are_not_read(missing: str) -> None:
    source = keys().with_claim("d-17")
    replaced = {"Secret": source.with_secret, "ConfigMap": source.with_config_map}[missing]
    replaced("d-17", AWS_ACCESS_KEY_ID="theirs", AWS_SECRET_ACCESS_KEY="theirs", BUCKET_NAME="x")
    rendered = render_configuration(rendered_device({}, {"dataObc": "d-17"}), source)
    assert rendered.s3 is None
    assert rendered.storage_unresolved
    (problem,) = rendered.problems
    assert problem.message == (
        f"storage: {missing} 'd-17' was not written for ObjectBucketClaim 'd-17'; "
        "delete or rename it"
    )
