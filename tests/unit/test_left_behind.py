"""Whom the end of a rollover would shut out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from flotta.edge_api.backends.crd.left_behind import find_left_behind
from flotta.fleet.adoption import FormerIdentity
from flotta.fleet.tombstones import (
    ACKNOWLEDGED_ANNOTATION,
    Tombstone,
    make_tombstone,
    read_tombstone,
)
from flotta.fleet.unknown_devices import UnknownDevice, make_record
from flotta.resources.objects.core import ConfigMap
from flotta.resources.objects.devices import EdgeDevice

NEW, OLD = "ab", "cd"
NOW = datetime(2026, 5, 1, tzinfo=UTC)


def device(name: str, authority: str, **more: object) -> EdgeDevice:
    made: EdgeDevice = {
        "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}"},
        "spec": {},
        "status": {"phase": "up", "certificate": {"authority": authority}},
    }
    made["spec"].update(more)  # type: ignore[typeddict-item]
    return made


def leaving(name: str, authority: str) -> EdgeDevice:
    made = device(name, authority)
    made["metadata"]["deletionTimestamp"] = "2026-05-01T00:00:00Z"
    return made


def stone(
    name: str, authority: str, *, held: bool = False, acknowledged: bool = False
) -> ConfigMap:
    made = Tombstone.of(device(name, authority), "held" if held else "granted", NOW)
    config_map = make_tombstone(made, "flotta")
    if acknowledged:
        config_map["metadata"]["annotations"] = {ACKNOWLEDGED_ANNOTATION: "2026-05-01T00:00:00Z"}
    assert read_tombstone(config_map) == replace(made, acknowledged=acknowledged)
    return config_map


def stranger(name: str, authority: str) -> ConfigMap:
    identity = FormerIdentity(f"uid-{name}", "ab")
    return make_record(UnknownDevice(name, "shop", identity, "", "", authority), "flotta")


def test_everybody_who_may_need_the_former_ca_is_found_and_nobody_else() -> None:
    devices = [
        device("new", NEW),
        device("old", OLD),
        device("kept-out", OLD, quarantine={"pods": "Stop"}),
        leaving("going", OLD),
        leaving("gone", NEW),
    ]
    records = [
        stone("wiped", OLD, acknowledged=True),
        stone("off", OLD),
        stone("earlier-release", ""),
        stone("held", OLD, held=True),
        stone("renewed", NEW),
        stone("going", OLD),
        stranger("lost", OLD),
        stranger("found", NEW),
    ]
    left = find_left_behind(NEW, devices, records)
    assert left.devices == ("shop/old",)
    assert left.quarantined == ("shop/kept-out",)
    assert left.leaving == ("shop/going",)
    assert left.unwiped == ("shop/earlier-release", "shop/off")
    assert left.unknown == ("shop/lost",)
    assert not left.is_nobody
    assert find_left_behind(NEW, devices[:1], records[:1]).is_nobody
