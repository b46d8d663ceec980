"""What is wrong with certificates between the Edge API and a remote data store, and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from flotta.edge_api.backends.remote.problems import StoreRefused
from flotta.edge_api.backends.remote.tls_failures import explain_tls
from flotta.edge_api.backends.remote.trust import Trust
from flotta.identity.authority import Authority
from flotta.identity.keys import key_to_pem, new_key

AUTHORITY = Authority.create("flotta-ca")


@pytest.mark.parametrize(
    ("reason", "meaning"),
    [
        ("TLSV1_ALERT_PROTOCOL_VERSION", "does not speak TLS 1.3"),
        ("UNSUPPORTED_PROTOCOL", "does not speak TLS 1.3"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "finds nothing that both speak"),
        ("TLSV1_UNRECOGNIZED_NAME", "does not serve that host name"),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "takes the certificate of the Edge API for expired"),
        ("TLSV1_ALERT_UNKNOWN_CA", "does not accept the certificate of the Edge API"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "does not accept the certificate of the Edge API"),
        ("SSLV3_ALERT_BAD_CERTIFICATE", "does not accept the certificate of the Edge API"),
        ("TLSV1_ALERT_INTERNAL_ERROR", "ends the TLS handshake"),
        ("WRONG_VERSION_NUMBER", "does not speak TLS"),
    ],
)
def test_each_failure_of_tls_has_its_sentence(reason: str, meaning: str) -> None:
    assert explain_tls(reason).startswith(f"{meaning} ({reason})")


@pytest.mark.parametrize("reason", ["", "UNEXPECTED_EOF_WHILE_READING"])
def test_other_failures_are_left_to_those_who_know_more(reason: str) -> None:
    assert explain_tls(reason) == ""


def refusal_of(trust: Trust) -> str:
    with pytest.raises(StoreRefused) as refused:
        trust.context()
    return refused.value.text


def material(**changed: bytes) -> dict[str, bytes]:
    pair = AUTHORITY.issue_client("flotta-edge-api", ("flotta-edge-api",))
    found = {"trust": AUTHORITY.certificate_pem, "certificate": pair.certificate, "key": pair.key}
    return {**found, **changed}


def test_a_certificate_of_the_edge_api_that_tls_refuses_is_named(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(AUTHORITY.certificate_pem)
    trust = Trust(has_tls=True, ca_file=ca)
    trust.follow(**material(key=key_to_pem(new_key())))

    text = refusal_of(trust)

    assert text.startswith("The certificate of the Edge API for the data store cannot be used (")
    assert "KEY_VALUES_MISMATCH" in text
    assert "client.crt and client.key to flotta-host-certificate" in text


def test_a_missing_certificate_of_the_edge_api_is_named() -> None:
    trust = Trust(has_tls=True, ca_file=None)
    trust.follow(AUTHORITY.certificate_pem, b"", b"")

    assert "client.crt in flotta-host-certificate cannot be used" in refusal_of(trust)


def test_a_full_disk_for_temporary_files_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    trust = Trust(has_tls=True, ca_file=None)
    trust.follow(**material())

    text = refusal_of(trust)

    assert "it needs a temporary file for a moment" in text
    assert str(tmp_path) in text


@pytest.mark.parametrize("content", [None, b"", b"garbage"])
def test_a_ca_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    ca = tmp_path / "ca.pem"
    if content is not None:
        ca.write_bytes(content)
    trust = Trust(has_tls=True, ca_file=ca)
    trust.follow(**material())

    assert f"REMOTE_BACKEND_CA_FILE names {ca}, which cannot be used" in refusal_of(trust)
