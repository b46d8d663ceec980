from __future__ import annotations

from pathlib import Path

import pytest

from flotta.edge_api.remote_store import RemoteStore
from flotta.edge_api.settings import Settings


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    settings = Settings.from_environment({})

    assert settings == Settings()
    assert settings.server_names == ("project-flotta.io", "localhost", "127.0.0.1", "::1")


def test_names_come_from_both_variables() -> None:
    env = {"SERVER_NAMES": "cp.example, 10.0.0.5", "DOMAIN": "x.example"}

    settings = Settings.from_environment({**env, "TLS_LOCALHOST_ENABLED": "false"})

    assert settings.server_names == ("cp.example", "10.0.0.5", "x.example")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BACKEND", "remot"),
        ("REMOTE_BACKEND_URL", "store.example:9443"),
        ("REMOTE_BACKEND_URL", "https://store.example/api/v1"),
        ("REMOTE_BACKEND_URL", "https://store.example:port"),
        ("REMOTE_BACKEND_URL", "ftp://store.example"),
        ("REMOTE_BACKEND_TIMEOUT", "5"),
        ("REMOTE_BACKEND_TIMEOUT", "1ms"),
        ("REMOT_BACKEND_TIMEOUT", "-5s"),
        ("REMOTE_BACKEND_POLL_SECONDS", "0"),
        ("HTTPS_PORT", "0x50"),
        ("HTTPS_PORT", "70000"),
        ("CLIENT_CERT_EXPIRATION_DAYS", "0"),
        ("TLS_LOCALHOST_ENABLED", "maybe"),
        ("METRICS_ADDR", "localhost"),
    ],
)
def test_an_unusable_value_refuses_to_start_with_a_sentence(variable: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{variable} is '{value}'"):
        Settings.from_environment({variable: value})


REMOTE = {"BACKEND": "remote", "REMOTE_BACKEND_URL": "https://store.example:9443/"}


def remote(**environment: str) -> RemoteStore:
    store = Settings.from_environment({**REMOTE, **environment}).remote
    assert store is not None
    return store


def test_the_base_path_is_appended_to_a_bare_host() -> None:
    base = "https://store.example:9443/api/flotta-backend/v1"
    assert remote().url == base
    assert remote(REMOTE_BACKEND_URL=base + "/").url == base
    behind = "https://[2001:db8::1]/stores/1/api/flotta-backend/v1"
    assert remote(REMOTE_BACKEND_URL=behind).url == behind


def test_the_timeout_is_a_duration_of_go_under_both_of_its_names() -> None:
    assert remote().timeout == 5
    assert remote(REMOT_BACKEND_TIMEOUT="500ms").timeout == 0.5
    both = {"REMOT_BACKEND_TIMEOUT": "2s", "REMOTE_BACKEND_TIMEOUT": "1m1.5s"}
    assert remote(**both).timeout == 61.5


def test_a_remote_backend_needs_its_url_and_no_password() -> None:
    with pytest.raises(ValueError, match="REMOTE_BACKEND_URL is not set; set it to"):
        Settings.from_environment({"BACKEND": "remote"})
    with pytest.raises(ValueError, match="password") as refusal:
        remote(REMOTE_BACKEND_URL="https://u:hush@store.example")
    assert "hush" not in str(refusal.value)


def test_certificates_in_files_belong_to_a_remote_backend() -> None:
    with pytest.raises(ValueError, match="CERTIFICATES_DIR needs BACKEND=remote"):
        Settings.from_environment({"CERTIFICATES_DIR": "/var/lib/flotta"})
    settings = Settings.from_environment({**REMOTE, "CERTIFICATES_DIR": "/var/lib/flotta"})
    assert settings.certificates_dir == Path("/var/lib/flotta")
    assert Settings.from_environment({"REMOTE_BACKEND_URL": "http://x"}).remote is None


def test_metrics_address_forms() -> None:
    def address(text: str) -> object:
        return Settings.from_environment({"METRICS_ADDR": text}).metrics_address

    assert address(":9090") == ("0.0.0.0", 9090)  # noqa: S104
    assert address("[::1]:9090") == ("::1", 9090)
    assert address("off") is None
