from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest

from flotta.fleet.hardware import SIZE_LIMIT, convert_report, merge_report
from flotta.fleet.hardware_labels import hardware_labels, label_value
from flotta.protocol.envelope import decode
from flotta.protocol.hardware import HardwareInfo


def info(**fields: Any) -> HardwareInfo:
    return decode(json.dumps(fields).encode(), HardwareInfo)


def test_wire_names_become_those_of_the_custom_resource() -> None:
    report = info(
        cpu={"architecture": "x86_64", "flags": None, "frequency": 3400, "model_name": "M"},
        disks=[{"by_id": "i", "size_bytes": 7, "io_perf": {"sync_duration": 3}}, None],
        interfaces=[{"ipv4_addresses": ["10.0.0.1/24"], "flags": None, "speed_mbps": 1000}],
        host_devices=[{"device_type": "c", "uid": 1, "gid": 2**32 - 1, "path": "/dev/x"}],
        mounts=[{"device": "/dev/sda", "directory": "/data"}],
        system_vendor={"product_name": "EdgeBox"},
        memory={"physical_bytes": 1},
        boot={"current_boot_mode": "uefi"},
    )

    assert merge_report(None, report) == {
        "cpu": {
            "architecture": "x86_64",
            "flags": [],
            "frequency": "3400.00",
            "modelName": "M",
        },
        "disks": [{"byId": "i", "sizeBytes": 7, "ioPerf": {"syncDuration": 3}}],
        "gpus": [],
        "interfaces": [{"ipv4Addresses": ["10.0.0.1/24"], "flags": [], "speedMbps": 1000}],
        "hostDevices": [{"deviceType": "c", "owner": 1, "path": "/dev/x"}],
        "mounts": [{"device": "/dev/sda", "folder": "/data"}],
        "systemVendor": {"productName": "EdgeBox"},
        "memory": {"physicalBytes": 1},
        "boot": {"currentBootMode": "uefi"},
    }


@pytest.mark.parametrize("name", ["localhost", "localhost.localdomain", "(none)"])
def test_a_machine_that_has_no_name_for_a_moment_keeps_its_label(name: str) -> None:
    known = merge_report(None, info(hostname="till-7"))
    assert hardware_labels(merge_report(known, info(hostname=name))) == {
        "device.hostname": "till-7"
    }
    assert merge_report(known, info(hostname="till-8"))["hostname"] == "till-8"
    assert merge_report(None, info(hostname=name))["hostname"] == name


def test_a_partial_report_replaces_only_what_it_mentions() -> None:
    known = merge_report(
        None, info(hostname="a", cpu={"architecture": "x86_64"}, disks=[{"name": "sda"}])
    )

    result = merge_report(known, info(hostname="", cpu={"count": 4}, disks=None, interfaces=[]))

    assert result == {**known, "cpu": {"architecture": "x86_64", "flags": [], "count": 4}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Intel(R) Core(TM) i7-6820HQ CPU @ 2.70GHz", "intelrcoretmi7-6820hqcpu2.70ghz"),
        ("x86_64", "x86_64"),
        ("PF20YKWG;", "pf20ykwg"),
        ("-_.", ""),
        ("日本", ""),
        ("é-box-é", "box"),
        ("a" * 62 + "-" + "b" * 10, "a" * 62),
    ],
)
def test_label_values_are_legal(text: str, value: str) -> None:
    assert label_value(text) == value


def test_labels_come_from_merged_hardware_and_skip_what_is_unknown() -> None:
    hardware = merge_report(
        None,
        info(hostname="Press-03", system_vendor={"serial_number": "EB-0042", "manufacturer": ""}),
    )

    assert hardware_labels(hardware) == {
        "device.hostname": "press-03",
        "device.system-serial": "eb-0042",
    }
    assert hardware_labels(None) == {}


def test_a_report_has_the_lengths_and_counts_of_the_crd() -> None:
    flood = "\x1b[31m" + "x" * 2_000_000
    report = info(
        hostname=flood,
        cpu={"flags": ["f" * 100] * 5000, "model_name": flood},
        disks=[{"name": "x" * 500}] * 1000,
        interfaces=[{"name": "e", "flags": ["up"] * 1000, "ipv4_addresses": ["a"] * 1000}],
        system_vendor={"serial_number": flood},
    )
    hardware = merge_report(None, report)

    assert hardware["hostname"] == "␛[31m" + "x" * 250 + "…"
    assert [len(flag) for flag in hardware["cpu"]["flags"]] == [32] * 512
    assert len(hardware["disks"]) <= 128
    assert len(hardware["interfaces"][0]["flags"]) == 64  # type: ignore[arg-type]
    assert len(hardware["systemVendor"]["serialNumber"]) == 256


def test_a_list_is_cut_before_its_items_are_converted() -> None:
    many: list[Any] = [None, *[{}] * 1000]
    converted = convert_report(info(interfaces=many, mounts=many, disks=many))
    assert [len(part) for part in converted.values()] == [128, 128, 256]


def test_sections_that_are_all_at_their_limits_stay_within_the_size_of_the_whole() -> None:
    hardware = None
    wide = "\u4e00" * 256
    for name, fields in {
        "disks": ("by_id", "by_path", "model", "serial"),
        "gpus": ("name", "vendor"),
        "interfaces": ("name", "product"),
        "host_devices": ("path",),
        "mounts": ("device", "directory", "options"),
    }.items():
        part = dict.fromkeys(fields, wide)
        hardware = merge_report(hardware, info(hostname="till", **{name: [part] * 1024}))

    assert hardware is not None
    assert len(json.dumps(hardware, ensure_ascii=False).encode()) <= SIZE_LIMIT * 1.1
    assert hardware["hostname"] == "till"
    report = info(mounts=[{"device": "/dev/sda"}])
    assert merge_report(merge_report(hardware, report), report)["mounts"] == [
        {"device": "/dev/sda"}
    ]


def test_whatever_a_device_reports_its_labels_are_valid_or_missing() -> None:
    valid = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
    for text in ("\x1b]0;x\x07", "\u202egnp.exe", "a" * 5000, "…", "-_.", "İstanbul", "а-ß", "\n"):
        report = info(
            hostname=text,
            cpu={"architecture": text, "model_name": text},
            system_vendor={"manufacturer": text, "product_name": text, "serial_number": text},
        )
        for label in hardware_labels(merge_report(None, report)).values():
            assert valid.fullmatch(label), text
            assert len(label) <= 63


def test_numbers_that_the_custom_resource_cannot_store_are_left_out() -> None:
    huge = 10**25
    report = info(
        cpu={"count": huge, "architecture": "x86_64", "frequency": 1e300},
        memory={"physical_bytes": 2**63, "usable_bytes": 2**63 - 1},
        disks=[{"name": "sda", "size_bytes": huge, "io_perf": {"sync_duration": -huge}}],
        interfaces=[{"name": "eth0", "mtu": huge, "speed_mbps": -1}],
    )

    assert merge_report(None, report) == {
        "cpu": {"architecture": "x86_64", "flags": []},
        "memory": {"usableBytes": 2**63 - 1},
        "disks": [{"name": "sda", "ioPerf": {}}],
        "interfaces": [{"name": "eth0", "flags": [], "speedMbps": -1}],
        "gpus": [],
    }


@pytest.mark.parametrize("frequency", [math.nan, math.inf, -1.0])
def test_a_frequency_that_cannot_be_is_left_out(frequency: float) -> None:
    report = info(cpu={"count": 2, "frequency": frequency})

    assert merge_report(None, report)["cpu"] == {"count": 2, "flags": []}
