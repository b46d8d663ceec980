from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flotta.gateway.clock import Clock
from flotta.gateway.http_client import HttpResponse
from flotta.gateway.log_once import LogOnce
from flotta.gateway.settings import Settings, load_labels, load_settings, load_tags
from flotta.gateway.status_codes import explain_refusal

CONFIG = """
log-level = "debug"
cert-file = "/etc/pki/consumer/cert.pem"
key-file = "/etc/pki/consumer/key.pem"
ca-root = ["/etc/pki/consumer/ca.pem"]
path-prefix = "/api/flotta-management/v1/"
protocol = "http"
client-id = "Press-03"
server = "project-flotta.io:8043"
"""


def read(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "config.toml").write_text(text)
    return load_settings(tmp_path / "config.toml", tmp_path / "tags.toml")


def test_configuration_as_the_reference_installs_it_is_understood(tmp_path: Path) -> None:
    settings = read(tmp_path, CONFIG)
    assert (settings.host, settings.port) == ("project-flotta.io", 8043)
    assert settings.device_id == "press-03"
    assert settings.path_prefix == "api/flotta-management/v1"
    assert settings.device_folder == Path("/etc/pki/consumer/device")
    assert settings.tags == {}


@pytest.mark.parametrize(
    ("server", "host", "port"),
    [
        ("edge.example", "edge.example", 8043),
        ("edge.example:443", "edge.example", 443),
        ("192.0.2.7:1", "192.0.2.7", 1),
        ("[2001:db8::1]:8043", "2001:db8::1", 8043),
        ("[2001:db8::1]", "2001:db8::1", 8043),
        ("2001:db8::1", "2001:db8::1", 8043),
    ],
)
def test_server_forms(tmp_path: Path, server: str, host: str, port: int) -> None:
    settings = read(tmp_path, CONFIG.replace("project-flotta.io:8043", server))
    assert (settings.host, settings.port) == (host, port)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("project-flotta.io:8043", "https://x:1", "host:port without scheme"),
        ("project-flotta.io:8043", "x:port", "port of server"),
        ("project-flotta.io:8043", "x:70000", "port of server"),
        ("Press-03", "press 3", "cannot be a device id"),
        ("Press-03", "register", "cannot be a device id"),
        ('["/etc/pki/consumer/ca.pem"]', "[]", "ca-root"),
        ("cert-file", "certificate", "cert-file is missing"),
        ("log-level", "=", "cannot be read"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read(tmp_path, CONFIG.replace(old, new, 1))


def test_missing_configuration_says_who_writes_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="role"):
        load_settings(tmp_path / "none.toml", tmp_path / "tags.toml")


def test_tags_become_strings(tmp_path: Path) -> None:
    path = tmp_path / "tags.toml"
    path.write_text('namespace = "shops"\nfloor = 3\nopen = true\nsince = 2026-01-10\n')
    assert load_tags(path) == {
        "namespace": "shops",
        "floor": "3",
        "open": "true",
        "since": "2026-01-10",
    }
    path.write_text("list = [1]\n")
    with pytest.raises(ValueError, match="plain value"):
        load_tags(path)


def test_labels_are_beside_the_tags(tmp_path: Path) -> None:
    path = tmp_path / "labels.toml"
    assert load_labels(path) == {}
    path.write_text('[labels]\nroom = "12"\n"example.org/site" = "north"\n')
    assert load_labels(path) == {"room": "12", "example.org/site": "north"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[labels]\nroom = 12\n", "room must be a string"),
        ("labels = 1\n", "must be a table"),
        ("[labels]\n" + "".join(f'l{n} = ""\n' for n in range(65)), "at most 64 labels"),
        ("[labels", "cannot be read"),
        ('room = "12"', "room is not in the table labels; write \\[labels\\]"),
        ('[label]\nroom = "12"', "label is not in the table labels"),
        ('[labels]\nroom = "' + "x" * 64 + '"', "at most 63 characters"),
        (f'[labels]\n"{"x" * 318}" = "a"', "too long"),
    ],
)
def test_labels_that_cannot_be_sent_are_told(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "labels.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=sentence):
        load_labels(path)


def test_clock_prefers_the_servers_time_and_never_falls_behind(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    clock = Clock(file)
    future = datetime.now(UTC) + timedelta(days=400)
    clock.raise_floor(future)
    assert clock.now() == future
    clock.learn_time("Wed, 11 Nov 2026 10:00:00 GMT")
    learned = datetime(2026, 11, 11, 10, tzinfo=UTC)
    assert learned <= clock.now() < learned + timedelta(minutes=5)
    assert Clock(file).now() >= learned
    clock.learn_time("yesterday")
    assert clock.now() < learned + timedelta(minutes=5)


def test_a_failure_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log_once = LogOnce(logging.getLogger("test"))
    for _ in range(3):
        log_once.failed("poll", "no network")
    log_once.failed("poll", "refused")
    log_once.recovered("poll")
    log_once.recovered("poll")
    assert [record.message for record in caplog.records] == [
        "poll: no network",
        "poll: refused",
        "poll: works again",
    ]


def test_every_status_is_explained_with_the_device() -> None:
    def explain(status: int, body: bytes = b"") -> str:
        return explain_refusal(HttpResponse(status, {}, body), "till-7")

    assert "device till-7" in explain(403)
    assert "till-7" in explain(404, b"<html>")
    assert "cannot handle the message (503)" in explain(503, b"[]")
    assert explain(418, b'{"reason": 7}').endswith("418 [RequestRefused]")
    unknown = explain(403, b'{"code": 403, "reason": "UnknownDevice"}')
    assert "flotta adopt till-7" in unknown
    assert unknown.endswith("[UnknownDevice]")
    assert explain(409, b'{"reason": "OfAnotherRelease"}').endswith("[OfAnotherRelease]")


@pytest.mark.parametrize(("text", "seconds"), [("7", 7), ("x", 0), ("", 0)])
def test_retry_after(text: str, seconds: float) -> None:
    assert HttpResponse(503, {"retry-after": text}).retry_after == seconds
