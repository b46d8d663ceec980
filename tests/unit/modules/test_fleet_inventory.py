"""Names, groups, addresses and variables of the inventory, without Ansible."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
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
    given = {"namespaced": False, "prefix": "", **options}
    return part("names").HostNames(records, taken=taken, **given)


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


@pytest.mark.parametrize(
    "text",
    [
        *("::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:192.0.2.1", "::127.0.0.1", "::", "::1"),
        *("64:ff9b::1", "64:ff9b:1::1", "2002:7f00:1::", "2001::1", "fe80::1", "ff02::1"),
        *("0.0.0.1", "127.1.2.3", "169.254.169.254", "224.0.0.1", "255.255.255.255", "127.1"),
    ],
)
def test_address_that_leads_to_no_other_machine_is_not_one_of_the_device(text: str) -> None:
    field = "ipv6Addresses" if ":" in text else "ipv4Addresses"
    found = part("addresses").reported_addresses([{"name": "eth0", field: [f"{text}/24"]}])
    assert found == []


def test_address_is_of_one_device_and_of_no_other_host() -> None:
    def reporting(name: str, *addresses: str) -> dict[str, Any]:
        found = {"name": "eth0", "ipv4Addresses": list(addresses), "ipv6Addresses": ["FD00:0::1"]}
        return record(name, hardware={"interfaces": [found]})

    devices = [
        reporting("honest", "192.0.2.7/24"),
        reporting("copy", "192.0.2.7/24", "192.0.2.8/24"),
        reporting("plane", "192.0.2.10/24"),
    ]
    addresses = part("addresses")
    given = (addresses.parse_networks(["0.0.0.0/0", "::/0"]), {"192.0.2.10": "fleet"})
    chosen = addresses.Addresses(devices, *given)
    found = [chosen.of(device, device["name"]) for device in devices]
    assert found == ["honest.no-address.invalid", "192.0.2.8", "plane.no-address.invalid"]
    (sentence,) = addresses.warnings(chosen)
    for part_of_it in (
        "default/honest reports 192.0.2.7, which default/copy has as well",
        "default/copy reports 192.0.2.7, which default/honest has as well",
        "default/plane reports 192.0.2.10, which fleet has as well",
        "Restrict address_networks",
    ):
        assert part_of_it in sentence
    assert addresses.Addresses(devices, [], {}).of(devices[0], "honest") is None


def test_kubeconfig_tells_its_servers_and_changes_the_question(tmp_path: Path) -> None:
    (tmp_path / "one").write_text(
        '{"clusters": [{"cluster": {"server": "https://[fd00::1]:6443"}}]}'
    )
    (tmp_path / "two").write_text("{junk")
    kubeconfig = part("kubeconfig")
    contents = kubeconfig.read_kubeconfig(f"{tmp_path}/one:{tmp_path}/none:{tmp_path}/two")
    assert kubeconfig.servers_of(contents) == {"fd00::1"}
    assert kubeconfig.digest_of(contents) != kubeconfig.digest_of(contents[:1])


def test_cache_of_another_release_counts_for_nothing() -> None:
    records = part("records")
    written = json.dumps([[record()], []])
    assert records.read_cached(written) == [[record()], []]
    others = (None, "[1]", "{}", "junk", "[[1], []]", written.replace('"workloads"', '"others"'))
    for text in others:
        assert records.read_cached(text) is None


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
    given = names(record("till-1", "north"), namespaced=True, prefix="eu-")
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
    none = part("groups").GroupNames(["label"], [])
    assert none.of(found) == []
    few = part("groups").GroupNames(["label", "state"], ["device.*"])
    assert set(few.of(found)) == {"label_device_hostname_till_1", "state_ready"}


def test_group_has_safe_letters_only_and_is_told_if_it_mixes_two_values() -> None:
    groups = part("groups").GroupNames(["phase"], ["*"])
    assert groups.of(record(phase="{{ x }}/é")) == ["phase____x_____"]
    assert groups.of(record(phase="a-b")) + groups.of(record(phase="a_b")) == ["phase_a_b"] * 2
    sentence = part("groups").describe_mixed(groups.mixed)
    assert sentence.startswith("The group phase_a_b is made of both phase a-b and phase a_b:")


def test_device_brings_itself_into_no_group_of_another_source() -> None:
    foreign = {"phase_2", "label_role_till", "label_device_hostname_till_1"}
    groups = part("groups").GroupNames(["phase", "label"], ["*"], foreign)
    assert groups.of(record(phase="2")) == ["label_role_till"]  # an administrator sets that label
    (sentence,) = part("groups").warnings(groups)
    assert "default/till-1 is not in the group" in sentence


def test_request_is_never_called_like_a_device() -> None:
    given = names(record("till-1", "south"), prefix="eu-")
    assert given.of_request(record("till-1", "south")) == "eu-request_south_till-1"
