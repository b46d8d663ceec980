"""What the Edge API makes of a Secret that asks for the certificate of another server."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from flotta.edge_api.backends.backend import StoredSecret
from flotta.edge_api.server_request_plans import plan_server_request
from flotta.identity.authority import Authority
from flotta.identity.keys import key_to_pem, new_key
from flotta.identity.lifetime import covered_names, load_certificate
from flotta.identity.peers import PeerError, identify_peer
from flotta.identity.rollover import succeed
from flotta.identity.server_requests import (
    ServerRequestError,
    dump_server_request,
    parse_server_request,
)
from flotta.own_names import HOST_SECRET

NOW = datetime.now(UTC)
AUTHORITY = Authority.create("flotta-ca")


def asked(request: bytes, **data: bytes) -> StoredSecret:
    return StoredSecret("store", {"request": request, **data}, "1", serves=True)


def issued(authority: Authority = AUTHORITY) -> StoredSecret:
    secret = asked(dump_server_request(["store.example", "192.0.2.7"]))
    return carried_out(secret, authority)


def carried_out(secret: StoredSecret, authority: Authority = AUTHORITY) -> StoredSecret:
    change = plan_server_request(secret, authority, NOW)
    assert change is not None
    assert change.data is not None
    return replace(secret, data=change.data, problem=change.problem)


def test_a_server_gets_a_certificate_and_then_stays() -> None:
    secret = issued()

    certificate = load_certificate(secret.data["server.crt"])
    assert covered_names(secret.data["server.crt"]) == {"store.example", "192.0.2.7"}
    assert AUTHORITY.has_issued(certificate)
    assert secret.data["ca.crt"] == AUTHORITY.certificate_pem
    assert plan_server_request(secret, AUTHORITY, NOW) is None
    with pytest.raises(PeerError, match="clientAuth"):
        identify_peer(certificate)


def test_it_gets_another_with_two_thirds_of_its_validity_gone() -> None:
    secret = issued()

    assert plan_server_request(secret, AUTHORITY, NOW + timedelta(days=240)) is None
    assert plan_server_request(secret, AUTHORITY, NOW + timedelta(days=245)) is not None


def test_it_gets_another_with_other_names_a_new_ca_or_a_lost_key() -> None:
    secret = issued()
    old = secret.data["server.crt"]
    other = asked(dump_server_request(["other.example"]), **lost(secret, "request"))
    successor = succeed(AUTHORITY).authority
    strange = replace(secret, data={**secret.data, "server.key": key_to_pem(new_key())})

    assert covered_names(carried_out(other).data["server.crt"]) == {"other.example"}
    renewed = carried_out(secret, successor)
    assert successor.has_issued(load_certificate(renewed.data["server.crt"]))
    assert renewed.data["ca.crt"] == successor.certificate_pem
    for damaged in (strange, replace(secret, data=lost(secret, "server.key"))):
        assert carried_out(damaged).data["server.crt"] != old


def lost(secret: StoredSecret, key: str) -> dict[str, bytes]:
    return {name: value for name, value in secret.data.items() if name != key}


@pytest.mark.parametrize(
    ("request_text", "sentence"),
    [
        (b"{", "is not JSON"),
        (b"[" * 30_000, "is not JSON, or nested too deeply"),
        (b" " * 70_000, "is longer than 64 KiB"),
        (b"[]", "is not of the form"),
        (b'{"names": ["a"], "days": 9}', "is not of the form"),
        (b'{"names": "a"}', "is not a list of texts"),
        (b'{"names": []}', "there are 0 names"),
        (json.dumps({"names": [f"a{n}" for n in range(65)]}).encode(), "there are 65 names"),
        (b'{"names": ["a b"]}', "'a b' is neither a DNS name nor an address"),
        (b'{"names": ["-a.example"]}', "is neither"),
        (b'{"names": ["a.*.example"]}', "is neither"),
        (b'{"names": ["fe80::1%eth0"]}', "is neither"),
        (b'{"names": ["\\u001b[2J"]}', "is neither"),
    ],
)
def test_a_request_that_asks_for_nothing_is_noted(request_text: bytes, sentence: str) -> None:
    secret = carried_out(asked(request_text, **{"server.crt": b"kept"}))

    assert secret.problem.startswith("ServerRequestInvalid: ")
    assert sentence in secret.problem
    assert "\x1b" not in secret.problem
    assert secret.data["server.crt"] == b"kept"
    assert plan_server_request(secret, AUTHORITY, NOW) is None
    mended = replace(secret, data={"request": dump_server_request(["a"])})
    assert carried_out(mended).problem == ""


def test_names_have_the_form_of_certificates_each_once() -> None:
    text = dump_server_request(["Store.Example", "2001:DB8::0:1", "store.example", "*.shops"])

    assert parse_server_request(text) == ("store.example", "2001:db8::1", "*.shops")
    with pytest.raises(ServerRequestError, match="neither"):
        dump_server_request(["a,b"])


def test_what_does_not_ask_is_left_alone() -> None:
    request = dump_server_request(["store.example"])

    assert plan_server_request(StoredSecret("a", {"request": request}, "1"), AUTHORITY, NOW) is None
    assert plan_server_request(replace(issued(), data={}), AUTHORITY, NOW) is None
    own = StoredSecret(HOST_SECRET, {"request": request}, "1", serves=True)
    assert plan_server_request(own, AUTHORITY, NOW) is None
