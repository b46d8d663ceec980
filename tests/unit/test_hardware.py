from __future__ import annotations

import json
from typing import Any

import pytest

from flotta.fleet.hardware import hardware_labels, label_value, merge_report
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
