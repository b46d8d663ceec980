"""What the Edge API makes of the Secret of a registration batch."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flotta.edge_api.backends.backend import StoredSecret
from flotta.edge_api.batch_plans import plan_batch
from flotta.edge_api.batches import fingerprints_of
from flotta.edge_api.secret_changes import SecretChange
from flotta.identity.authority import Authority
from flotta.identity.lifetime import load_certificate
from flotta.rfc3339 import format_time

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
AUTHORITY = Authority.create("Flotta CA")


def specified(secret: StoredSecret, **specification: Any) -> StoredSecret:
    batch = json.dumps(specification).encode()
    return replace(secret, data={**secret.data, "batch": batch})


def new(name: str = "shops", **specification: Any) -> StoredSecret:
    return specified(StoredSecret(name, {}, "1", registers=True), **specification)


def carried_out(secret: StoredSecret, authority: Authority = AUTHORITY) -> StoredSecret:
    change = plan_batch(secret, authority, NOW)
    assert change is not None
    assert change.data is not None
    return replace(secret, data=change.data, problem=change.problem)


def test_a_batch_gets_a_certificate_and_then_stays() -> None:
    issued = carried_out(new(namespaces=["shops"]))

    certificate = load_certificate(issued.data["client.crt"])
    assert AUTHORITY.has_issued(certificate)
    assert certificate.not_valid_after_utc - NOW > 364 * DAY
    assert issued.data["ca.crt"] == AUTHORITY.certificate_pem
    assert "formerCertificates" not in issued.data
    assert plan_batch(issued, AUTHORITY, NOW) is None


@pytest.mark.parametrize("days", [2, 10_000])
def test_the_certificate_ends_with_the_batch_but_not_after_the_authority(days: int) -> None:
    end = (NOW + days * DAY).replace(microsecond=0)
    issued = carried_out(new(expires=format_time(end)))

    found = load_certificate(issued.data["client.crt"]).not_valid_after_utc
    assert found == min(end, AUTHORITY.not_after)
    assert plan_batch(issued, AUTHORITY, NOW) is None


@pytest.mark.parametrize(
    "change", [{"namespaces": ["shops"]}, {"expires": format_time(NOW + 3 * DAY)}]
)
def test_another_specification_gets_another_certificate(change: dict[str, Any]) -> None:
    issued = carried_out(new())
    again = carried_out(specified(issued, **change))

    assert again.data["client.crt"] != issued.data["client.crt"]
    assert fingerprints_of(again)[1:] == fingerprints_of(issued)


def test_what_the_certificate_does_not_say_changes_no_certificate() -> None:
    issued = carried_out(new())
    assert plan_batch(specified(issued, uses=3, deviceIDs=["a"]), AUTHORITY, NOW) is None


def test_a_new_authority_issues_again_and_a_longer_bundle_does_not() -> None:
    issued = carried_out(new())
    successor = AUTHORITY.succeeded_by(Authority.create("Flotta CA"))
    longer = Authority.from_pem(successor.certificate_pem, AUTHORITY.key_pem)

    trusted = carried_out(issued, longer)
    assert trusted.data["client.crt"] == issued.data["client.crt"]
    assert trusted.data["ca.crt"] == successor.certificate_pem

    again = carried_out(issued, successor)
    assert successor.has_issued(load_certificate(again.data["client.crt"]))
    assert fingerprints_of(again)[1:] == fingerprints_of(issued)


def test_former_certificates_are_few() -> None:
    secret = carried_out(new())
    for number in range(12):
        secret = carried_out(specified(secret, namespaces=[f"n{number}"]))
    assert len(fingerprints_of(secret)) == 9


def test_an_error_is_said_once_and_removed() -> None:
    wrong = carried_out(new(uses="many"))
    assert wrong.problem.startswith("RegistrationBatchInvalid: uses is not a whole number")
    assert "client.crt" not in wrong.data
    assert plan_batch(wrong, AUTHORITY, NOW) is None
    assert carried_out(specified(wrong, uses=1)).problem == ""


@pytest.mark.parametrize("name", ["x" * 53, "shops.north"])
def test_a_name_that_no_use_could_have_is_an_error(name: str) -> None:
    assert "metadata.name" in carried_out(new(name)).problem


def test_a_batch_that_was_never_valid_gets_no_certificate_and_stays() -> None:
    past = carried_out(new(expires=format_time(NOW - 90 * DAY)))
    assert past.problem.endswith("expires is in the past")
    assert "client.crt" not in past.data


def test_revocation_removes_the_key_alone() -> None:
    issued = carried_out(new())
    revoked = carried_out(specified(issued, revoked={"at": format_time(NOW)}))
    assert issued.data.keys() - revoked.data.keys() == {"client.key"}
    assert plan_batch(revoked, AUTHORITY, NOW) is None


def ended(days: int, end: str) -> StoredSecret:
    """Return a batch that ended so long ago, without the key that a revocation removes."""
    then = format_time(NOW - days * DAY)
    how = {"expires": then} if end == "expires" else {"revoked": {"at": then}}
    secret = specified(carried_out(new()), **how)
    change = plan_batch(secret, AUTHORITY, NOW)
    return replace(secret, data=change.data) if change and change.data else secret


@pytest.mark.parametrize("days", [29, 31])
@pytest.mark.parametrize("end", ["expires", "revoked"])
def test_what_ended_goes_after_thirty_days(end: str, days: int) -> None:
    change = plan_batch(ended(days, end), AUTHORITY, NOW)
    assert (change == SecretChange(None)) is (days > 30)


def test_nothing_goes_by_a_clock_at_which_the_authority_is_not_valid() -> None:
    assert plan_batch(ended(31, "expires"), AUTHORITY, NOW + 20_000 * DAY) is None


@pytest.mark.parametrize("at", ["9999-12-31T00:00:00Z", "0002-01-01T00:00:00Z"])
def test_a_revocation_has_any_date(at: str) -> None:
    revoked = carried_out(specified(carried_out(new()), revoked={"at": at}))
    assert "client.key" not in revoked.data
    plan_batch(revoked, AUTHORITY, NOW)


def test_a_certificate_of_something_else_is_replaced() -> None:
    issued = AUTHORITY.issue_registration(["No label!"])
    data = {"client.crt": issued.certificate, "client.key": issued.key}
    wrong = replace(new(), data={**new().data, **data})
    assert AUTHORITY.has_issued(load_certificate(carried_out(wrong).data["client.crt"]))


def test_what_was_revoked_admits_nobody_when_the_revocation_is_taken_back() -> None:
    renewed = carried_out(specified(carried_out(new()), namespaces=["shops"]))
    revoked = carried_out(specified(renewed, revoked={"at": format_time(NOW)}))

    again = carried_out(specified(revoked, namespaces=["shops"]))

    assert not set(fingerprints_of(again)) & set(fingerprints_of(renewed))


def test_secrets_of_others_are_left_alone() -> None:
    by_hand = StoredSecret("admins", {"client.crt": b"x"}, "1", registers=True)
    assert plan_batch(by_hand, AUTHORITY, NOW) is None
    assert plan_batch(new("flotta-ca"), AUTHORITY, NOW) is None
    assert plan_batch(replace(new(), registers=False), AUTHORITY, NOW) is None
