"""The page of the control plane says the names and numbers that the code has."""

from __future__ import annotations

import re

import pytest

from flotta.backoff import Backoff
from flotta.edge_api.backends.crd.events import EVENTS_PER_HEARTBEAT
from flotta.edge_api.backends.crd.presence import CHECK_INTERVAL
from flotta.edge_api.settings import Settings as EdgeApiSettings
from flotta.fleet import (
    device_settings,
    hardware_labels,
    heartbeat_settings,
    presence,
    rendering,
)
from flotta.migration import manifests
from flotta.operator.controllers.device import bucket_claims
from flotta.operator.controllers.workload import MAX_CAUSE
from flotta.operator.runtime import conflicts, controller, leader_election, queue
from flotta.operator.settings import Settings
from flotta.resources.events import MESSAGE_LIMIT
from flotta.resources.finalizers import LEGACY_FINALIZERS
from unit.docs.tables import REFERENCE, first_cells

PAGE = "control-plane.md"
TEXT = " ".join((REFERENCE / PAGE).read_text().split())
ROW = re.compile(r"\| (\d+) s[^|]*\| (\d+) s \| (\d+) s \|")


def test_hardware_labels_are_listed_with_their_sources() -> None:
    assert first_cells(PAGE, "Label") == set(hardware_labels.LABEL_SOURCES)
    for label, path in hardware_labels.LABEL_SOURCES.items():
        assert f"| `{label}` | `{'.'.join(path)}` |" in TEXT


@pytest.mark.parametrize("text", ["Intel(R) Core(TM) i7-8665U CPU @ 1.90GHz", "x86_64"])
def test_examples_of_hardware_labels_are_right(text: str) -> None:
    assert f"`{text}`" in TEXT
    assert f"`{hardware_labels.label_value(text)}`" in TEXT


def test_presence_is_computed_as_the_table_says() -> None:
    rows = [tuple(map(int, row)) for row in ROW.findall(TEXT)]
    least = EdgeApiSettings.presence_write_seconds
    assert len(rows) == 3
    for period, written, silent in rows:
        interval = presence.write_interval(period, least).total_seconds()
        assert written == interval
        assert silent == presence.MISSED_PERIODS * period + interval


def test_conversions_are_listed() -> None:
    old = {*manifests.KINDS, *manifests.LABELS, *manifests.SERVER_FIELDS, *LEGACY_FINALIZERS}
    new = {*manifests.KINDS.values(), *manifests.LABELS.values(), *manifests.ALIASES.values()}
    for name in {*old, *new, *manifests.ALIASES, manifests.SELECTOR_LABELS, manifests.OLD_GROUP}:
        assert f"`{name}`" in TEXT, name


@pytest.mark.parametrize(
    "phrase",
    [
        f"first {rendering.VERSION_LENGTH} hexadecimal digits",
        f"or {heartbeat_settings.DEFAULT_PERIOD} if the set does not have one",
        f"`requestNumSamples` ({device_settings.DEFAULT_SAMPLES})",
        f"`timeoutSeconds` ({device_settings.DEFAULT_RECEIVER_TIMEOUT})",
        f"in KiB ({device_settings.DEFAULT_BUFFER})",
        f"at most {EVENTS_PER_HEARTBEAT} for each heartbeat",
        f"checked every {CHECK_INTERVAL:.0f} seconds",
        f"`DECOMMISSION_TIMEOUT` seconds ({Settings.decommission_timeout:.0f};",
        f"`REQUEST_EXPIRY` seconds ({Settings.request_expiry / 86400:.0f} days;",
        f"without a condition, {bucket_claims.PROVISIONER_TIMEOUT:.0f} seconds after",
        f"`EDGEWORKLOAD_CONCURRENCY` EdgeDevices ({Settings.device_workers})",
        f"each other kind ({Settings.workers})",
        f"after {queue.KEY_RETRY[0]} s, doubling up to {queue.KEY_RETRY[1]:.0f} s",
        f"then after {conflicts.CONFLICT_DELAY:.0f} s",
        f"every {controller.RESYNC / 60:.0f} minutes",
        f"valid for {leader_election.LEASE_DURATION} s",
        f"renewed every {leader_election.RENEW_INTERVAL:.0f} s",
        f"for {leader_election.RENEW_DEADLINE:.0f} s exits",
        f"| {MESSAGE_LIMIT} bytes |",
        f"| {MAX_CAUSE} characters |",
        f"`ENROLMENTS_PER_SECOND` ({EdgeApiSettings.enrolments_per_second:.0f})",
    ],
)
def test_numbers_are_those_of_the_code(phrase: str) -> None:
    assert phrase in TEXT


def test_half_of_a_delay_is_random() -> None:
    assert "up to half of each delay" in TEXT
    assert 5.0 <= Backoff(10.0, 10.0).next() <= 10.0
