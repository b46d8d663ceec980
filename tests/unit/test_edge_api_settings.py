from __future__ import annotations

import pytest

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


def test_metrics_address_forms() -> None:
    def address(text: str) -> object:
        return Settings.from_environment({"METRICS_ADDR": text}).metrics_address

    assert address(":9090") == ("0.0.0.0", 9090)  # noqa: S104
    assert address("[::1]:9090") == ("::1", 9090)
    assert address("off") is None
