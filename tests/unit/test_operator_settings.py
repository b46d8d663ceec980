"""Settings: names and defaults, and a sentence for each bad value."""

from __future__ import annotations

from pathlib import Path

import pytest

from flotta.operator.settings import Settings

STORAGE = {
    "S3_DEVICE_ENDPOINT": "https://10.0.0.1:9000",
    "S3_ADMIN_FILE": "/a",
    "S3_KEYS_DIR": "/k",
}


def test_defaults() -> None:
    settings = Settings.from_environment({})
    assert settings == Settings()
    assert not settings.auto_approval
    assert settings.bucket_auto_create
    assert settings.decommission_timeout == 300
    assert settings.probe_address == ("127.0.0.1", 8081)


def test_given_values() -> None:
    given = {
        "AUTO_APPROVAL_PROCESS": "true",
        "OBC_AUTO_CREATE": "0",
        "DECOMMISSION_TIMEOUT": "5",
        "MAX_CONCURRENT_RECONCILES": "7",
        "LEADER_ELECT": "TRUE",
        "PROBE_ADDR": "0.0.0.0:9",
        "METRICS_ADDR": ":8",
        **STORAGE,
        "S3_CA_FILE": "/ca",
    }
    settings = Settings.from_environment(given)
    assert settings.auto_approval
    assert not settings.bucket_auto_create
    assert (settings.decommission_timeout, settings.workers) == (5, 7)
    assert settings.leader_elect
    assert settings.probe_address == ("0.0.0.0", 9)  # noqa: S104
    assert settings.metrics_address == ("0.0.0.0", 8)  # noqa: S104
    assert settings.storage
    assert settings.storage.ca_file == Path("/ca")


def test_metrics_are_beside_the_probes_by_default() -> None:
    def listening(**given: str) -> tuple[object, object]:
        settings = Settings.from_environment(given)
        return settings.probe_address, settings.metrics_address

    assert listening(PROBE_ADDR=":9") == (("0.0.0.0", 9), ("0.0.0.0", 9))  # noqa: S104
    assert listening(PROBE_ADDR="off") == (None, None)
    assert listening(METRICS_ADDR="off") == (("127.0.0.1", 8081), None)
    assert listening(METRICS_ADDR="[::1]:8") == (("127.0.0.1", 8081), ("::1", 8))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTO_APPROVAL_PROCESS", "maybe"),
        ("DECOMMISSION_TIMEOUT", "-1"),
        ("DECOMMISSION_TIMEOUT", "5m"),
        ("MAX_CONCURRENT_RECONCILES", "0"),
        ("EDGEWORKLOAD_CONCURRENCY", "0"),
        ("PROBE_ADDR", "nowhere"),
        ("METRICS_ADDR", ":99999"),
    ],
)
def test_bad_value_is_refused_with_its_name(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        Settings.from_environment({name: value})
