"""Names, groups, addresses and variables of the inventory, without Ansible."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import pytest
from module_run import loaded

PLUGIN_UTILS = "ansible_collections.flotta.edge.plugins.plugin_utils"


def part(name: str) -> ModuleType:
    loaded("edge_device_info")  # finds the collection
    return importlib.import_module(f"{PLUGIN_UTILS}._fleet_{name}")


def device(name: str = "till-1", namespace: str = "default", **status: Any) -> dict[str, Any]:
    labels = {"role": "till", "flotta/member-of": "shops", "device.hostname": name}
    metadata = {"name": name, "namespace": namespace, "uid": f"u-{name}", "labels": labels}
    return {"metadata": metadata, "spec": {}, "status": status}


def record(name: str = "till-1", namespace: str = "default", **status: Any) -> dict[str, Any]:
    found: dict[str, Any] = part("records").device_record(
        device(name, namespace, **status), "ready", ["hostname", "cpu", "interfaces"]
    )
    return found


def names(*records: dict[str, Any], taken: tuple[str, ...] = (), **options: Any) -> Any:
    given = {"always_namespaced": False, "prefix": "", **options}
    return part("names").HostNames(records, is_taken=taken.__contains__, **given)


def test_record_of_a_device_without_a_status_has_every_key_with_an_empty_value() -> None:
    bare = part("records").device_record({"metadata": {"name": "till-1"}}, "joining", ["cpu"])
    assert bare["state"] == "joining"
    assert bare["ready"] is False
    assert (bare["labels"], bare["workloads"], bare["hardware"], bare["addresses"]) == (
        {},
        {},
        {},
        [],
    )


def test_hardware_has_the_parts_that_were_asked_for_without_flags_and_none_of_unusual_size() -> (
    None
):
    hardware = {
        "hostname": "till",
        "cpu": {"architecture": "x86_64", "flags": ["fpu"]},
        "interfaces": [{"name": "x" * 40_000}],
        "mounts": [{"folder": "/"}],
    }
    assert record(hardware=hardware)["hardware"] == {
        "hostname": "till",
        "cpu": {"architecture": "x86_64"},
    }


def test_address_is_the_first_of_an_interface_with_a_carrier_in_the_preferred_network() -> None:
    interfaces = [
        {"name": "podman0", "ipv4Addresses": ["10.88.0.1/16"]},
        {"name": "eth0", "hasCarrier": False, "ipv4Addresses": ["10.0.0.9/8"]},
        {
            "name": "eth1",
            "ipv4Addresses": ["169.254.1.1/16", "127.0.0.1/8", "224.0.0.1/4", "192.0.2.5/24"],
            "ipv6Addresses": ["fe80::1/64", "::1/128", "fd00::5/64", "fd00::6%{{ x }}/64", "junk"],
        },
        "junk",
    ]
    addresses = part("addresses")
    found = addresses.reported_addresses(interfaces)
    assert found == ["192.0.2.5", "fd00::5", "10.0.0.9"]
    for networks, chosen in (
        (["0.0.0.0/0", "::/0"], "192.0.2.5"),
        (["::/0"], "fd00::5"),
        (["172.16.0.0/12", "10.0.0.0/8"], "10.0.0.9"),
        (["172.16.0.0/12"], None),
        ([], None),
    ):
        assert addresses.choose_address(found, addresses.parse_networks(networks)) == chosen
    with pytest.raises(ValueError, match=r"has 10\.0\.0\.0/33, which is not a network\. Write"):
        addresses.parse_networks(["10.0.0.0/33"])


def test_device_is_called_by_its_name_unless_that_means_something_else() -> None:
    one, other = record("till-1", "north"), record("till-1", "south")
    plane, free = record("control-plane"), record("camera-1")
    given = names(one, other, plane, free, taken=("control-plane",))
    assert [given.of(item) for item in (one, other, plane, free)] == [
        "north_till-1",
        "south_till-1",
        "default_control-plane",
        "camera-1",
    ]
    assert "north_till-1" in part("names").describe_renamed(given.renamed)


def test_device_without_a_free_name_is_left_out() -> None:
    given = names(record("shops"), taken=("shops", "default_shops"))
    assert given.of(record("shops")) is None
    assert "default/shops is left out" in part("names").describe_left_out(given.left_out)


def test_namespace_and_prefix_are_in_every_name_where_that_is_asked_for() -> None:
    given = names(record("till-1", "north"), always_namespaced=True, prefix="eu-")
    assert given.of(record("till-1", "north")) == "eu-north_till-1"
    assert given.renamed == []


def test_groups_are_made_of_what_the_control_plane_knows() -> None:
    found = record("till-1", "north", phase="up", workloads=[{"name": "os-stats"}])
    groups = part("groups").GroupNames(list(part("groups").GROUPS), ["*", "!device.hostname"])
    assert set(groups.of(found)) == {
        "set_shops",
        "label_role_till",
        "phase_up",
        "state_ready",
        "workload_os_stats",
        "namespace_north",
    }
    few = part("groups").GroupNames(["label", "state"], ["device.*"])
    assert set(few.of(found)) == {"label_device_hostname_till_1", "state_ready"}


def test_group_has_safe_letters_only_and_is_told_if_it_mixes_two_values() -> None:
    groups = part("groups").GroupNames(["phase"], ["*"])
    assert groups.of(record(phase="{{ x }}/é")) == ["phase____x_____"]
    assert groups.of(record(phase="a-b")) + groups.of(record(phase="a_b")) == ["phase_a_b"] * 2
    sentence = part("groups").describe_mixed(groups.mixed)
    assert sentence.startswith("The group phase_a_b is made of both phase a-b and phase a_b:")
