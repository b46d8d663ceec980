"""The certificate by which a remote data store knows the Edge API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.x509 import ExtendedKeyUsage
from cryptography.x509.oid import ExtendedKeyUsageOID

from flotta.edge_api.store_certificate import renew_client
from flotta.identity.authority import Authority
from flotta.identity.errors import IdentityError
from flotta.identity.keys import load_key
from flotta.identity.lifetime import load_certificate
from flotta.identity.peers import PeerError, identify_peer
from flotta.identity.rollover import succeed

NOW = datetime.now(UTC)
AUTHORITY = Authority.create("flotta-ca")


def issue(data: dict[str, bytes] | None = None) -> dict[str, bytes]:
    return renew_client(data or {}, AUTHORITY, NOW)


def test_the_subject_is_that_of_the_edge_api_and_no_other_use_is_allowed() -> None:
    new = issue()

    certificate = load_certificate(new["client.crt"])
    assert certificate.subject.rfc4514_string() == "CN=flotta-edge-api,O=flotta-edge-api"
    usage = certificate.extensions.get_extension_for_class(ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert certificate.public_key() == load_key(new["client.key"]).public_key()
    assert issue(new) == {}


def test_it_passes_as_neither_a_device_nor_a_registration_certificate() -> None:
    with pytest.raises(PeerError, match="organization"):
        identify_peer(load_certificate(issue()["client.crt"]))


def test_it_is_renewed_in_time_with_a_new_ca_and_without_its_key() -> None:
    new = issue()
    successor = succeed(AUTHORITY).authority

    assert renew_client(new, AUTHORITY, NOW + timedelta(days=240)) == {}
    assert renew_client(new, AUTHORITY, NOW + timedelta(days=245)) != {}
    renewed = renew_client(new, successor, NOW)
    assert successor.has_issued(load_certificate(renewed["client.crt"]))
    assert issue({"client.crt": new["client.crt"]}) != {}
    assert issue({**new, "client.key": issue()["client.key"]}) != {}


def test_one_of_the_users_own_pki_stays() -> None:
    own = Authority.create("Shops CA", organization="Shops")
    pair = own.issue_client("edge", ("Shops",), days=0)

    assert issue({"client.crt": pair.certificate, "client.key": pair.key}) == {}
    with pytest.raises(IdentityError, match="beside it is not its key"):
        issue({"client.crt": pair.certificate})


def test_garbage_is_named_and_not_replaced() -> None:
    with pytest.raises(
        IdentityError, match="is not a readable PEM certificate; mend it, or remove"
    ):
        issue({"client.crt": b"garbage"})


def test_an_expired_ca_leaves_what_there_is() -> None:
    old = Authority.create("flotta-ca", days=-1, since=NOW - timedelta(days=3))
    new = issue()

    assert renew_client(new, old, NOW) == {}
    with pytest.raises(IdentityError, match="expired"):
        renew_client({}, old, NOW)
