"""The inventory plugin `flotta.edge.fleet`: Ansible as a process against the embedded engine."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from contract.api import MERGE, Api
from contract.engine import Engine
from flotta.identity.authority import Authority

ROOT = Path(__file__).parents[2]
GROUP = "/apis/management.project-flotta.io/v1alpha1"
# What a device may report: Ansible would run it if it took it for a template.
TEMPLATE = "{{ lookup('pipe', 'touch evaluated') }}"
INTERFACES = [{"name": "eth0", "flags": [], "ipv4Addresses": ["192.0.2.7/24"]}]
POD = {"spec": {"containers": [{"name": "c", "image": "localhost/w:1"}]}}


class Site:
    """An engine with some devices, and a folder for inventories."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "engine").mkdir()
        self.engine = Engine(folder / "engine")
        self.engine.start()
        self.kubeconfig = str(self.engine.kubeconfig("admin"))
        (folder / "ansible.cfg").write_text("[defaults]\n")

    def fill(self) -> None:
        """Make devices and a request."""
        self.api = Api(Path(self.kubeconfig))
        for namespace in ("north", "south", "west"):
            self.create("/api/v1/namespaces", "Namespace", {"metadata": {"name": namespace}})
        till = {"role": "till", "flotta/member-of": "shops"}
        ready = {"conditions": [condition("Ready")], "phase": "up"}
        self.device("north", "till-1", till, {**ready, "workloads": [{"name": "os-stats"}]})
        self.device("south", "till-1", {"role": "till"})
        self.device("south", "localhost", {})
        hostile = {"hostname": TEMPLATE, "disks": [], "gpus": [], "interfaces": INTERFACES}
        self.device(
            "south", "camera-1", {"role": "camera"}, {"hardware": hostile, "phase": TEMPLATE}
        )
        self.device("west", "till-9", {}, reporting("198.51.100.66"))
        self.device("west", "till-8", {}, reporting("198.51.100.67"))
        self.device("west", "fleet", {}, reporting("192.0.2.10"))
        self.device("west", "production", {"x": "y", "kind": "z1"}, {"phase": "2"})
        self.device("west", "small", {})
        self.device("west", "z1", {})
        features = {"hardware": {**hostile, "interfaces": []}}
        spec = {"targetNamespace": "south", "approved": False, "features": features}
        self.create(
            f"{GROUP}/namespaces/default/edgedevicesignedrequest",
            "EdgeDeviceSignedRequest",
            {"metadata": {"name": "camera-2"}, "spec": spec},
        )

    def device(self, namespace: str, name: str, labels: dict[str, str], status: Any = None) -> None:
        path = f"{GROUP}/namespaces/{namespace}/edgedevices"
        self.create(path, "EdgeDevice", {"metadata": {"name": name, "labels": labels}, "spec": {}})
        if status:
            done = self.api.request("PATCH", f"{path}/{name}/status", {"status": status}, MERGE)
            assert done.status == 200, done.body

    def create(self, path: str, kind: str, body: dict[str, Any]) -> None:
        version = path.removeprefix("/apis/").split("/namespaces")[0].removeprefix("/api/")
        done = self.api.request("POST", path, {"apiVersion": version, "kind": kind, **body})
        assert done.status == 201, done.body

    def source(self, name: str, **options: Any) -> Path:
        """Write an inventory file."""
        given = {"plugin": "flotta.edge.fleet", "kubeconfig": self.kubeconfig, **options}
        path = self.folder / f"{name}.flotta.yml"
        path.write_text(json.dumps(given))
        return path

    def ansible(self, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", f"ansible.cli.{program}", *map(str, arguments)],
            cwd=self.folder,
            env={
                **{key: value for key, value in os.environ.items() if key != "KUBECONFIG"},
                "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
                "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
                "ANSIBLE_HOME": str(self.folder / "home"),
                "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
                "ANSIBLE_NOCOLOR": "1",
                "NO_COLOR": "1",
            },
            capture_output=True,
            text=True,
        )

    def inventory(self, *arguments: object) -> tuple[dict[str, Any], str]:
        """Return what ansible-inventory lists, and its warnings."""
        options = [part for source in arguments for part in ("-i", source)]
        done = self.ansible("inventory", "--list", *options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout, object_hook=plain), " ".join(done.stderr.split())


def plain(value: dict[str, Any]) -> Any:
    """Return a text that Ansible marks as none of its templates, or the value."""
    return value["__ansible_unsafe"] if set(value) == {"__ansible_unsafe"} else value


def reporting(address: str) -> dict[str, Any]:
    interface = {"name": "eth0", "flags": [], "ipv4Addresses": [f"{address}/24"]}
    hardware = {"hostname": "h", "disks": [], "gpus": [], "interfaces": [interface]}
    return {"hardware": hardware}


def condition(kind: str) -> dict[str, str]:
    words = {"type": kind, "status": "True", "reason": "Heard", "message": "It is there."}
    return {**words, "lastTransitionTime": "2026-05-01T12:00:00Z"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("inventory"))
    try:
        site.fill()
        yield site
    finally:
        site.engine.stop()


def hosts(listed: dict[str, Any], group: str) -> list[str]:
    return sorted(listed.get(group, {}).get("hosts", []))


def test_devices_are_hosts_with_groups_and_what_the_control_plane_knows(site: Site) -> None:
    options = {"control_plane_host": "plane", "requests": True, "namespaces": ["north", "south"]}
    listed, said = site.inventory(site.source("all", **options))
    names = ["north_till-1", "south_camera-1", "south_localhost", "south_till-1"]
    assert hosts(listed, "flotta_devices") == names
    assert hosts(listed, "flotta_control_plane") == ["plane"]
    assert hosts(listed, "label_role_till") == ["north_till-1", "south_till-1"]
    for group in ("set_shops", "workload_os_stats", "phase_up", "state_ready", "namespace_north"):
        assert hosts(listed, group) == ["north_till-1"], group
    variables = listed["_meta"]["hostvars"]
    till, camera = variables["north_till-1"], variables["south_camera-1"]
    assert (till["device_id"], till["device_namespace"]) == ("till-1", "north")
    assert till["flotta_device"]["ready"] is True
    assert till["flotta_device"]["conditions"]["Ready"]["reason"] == "Heard"
    assert till["ansible_host"] == "north_till-1.no-address.invalid"
    assert camera["ansible_host"] == "192.0.2.7"
    assert hosts(listed, "flotta_requests") == ["request_south_camera-2"]
    assert variables["request_south_camera-2"]["flotta_request"]["namespace"] == "south"
    assert "WARNING" not in said


OTHERS = """
[flotta_devices]
till-9 ansible_host=192.0.2.21 secret=s3cr3t
till-8 device_namespace=west flotta_device=mine
[flotta_control_plane]
fleet ansible_host=192.0.2.10
[production]
desk
[phase_2]
[phase_2:vars]
secret=s3cr3t
"""


def test_devices_take_over_no_host_no_group_and_no_address(site: Site) -> None:
    (site.folder / "others.ini").write_text(OTHERS)
    source = site.source(
        "west",
        hostname="name",
        namespaces=["west"],
        groups={"small": "true", "canary": "flotta_device.labels.x is defined"},
        keyed_groups=[{"key": "flotta_device.labels.kind", "prefix": "", "separator": ""}],
    )
    again = site.source("again", field_selector="metadata.name=z1")
    listed, said = site.inventory(site.folder / "others.ini", source, again)
    variables = listed["_meta"]["hostvars"]
    assert variables["till-9"] == {"ansible_host": "192.0.2.21", "secret": "s3cr3t"}
    assert variables["till-8"]["flotta_device"] == "mine"
    assert variables["till-8"]["device_id"] == "till-8"
    assert "ansible_host" not in variables["till-8"]
    assert variables["fleet"] == {"ansible_host": "192.0.2.10"}
    renamed = ["west_fleet", "west_production", "west_small", "west_till-9", "west_z1"]
    assert hosts(listed, "small") == ["till-8", *renamed]
    assert hosts(listed, "flotta_devices") == ["till-8", "till-9", *renamed]
    assert listed["canary"] == {"hosts": ["west_production"]}
    assert hosts(listed, "z1") == ["west_production"]
    assert hosts(listed, "production") == ["desk"]
    assert hosts(listed, "phase_2") == []
    assert "secret" not in variables["west_production"]
    assert variables["west_fleet"]["ansible_host"] == "west_fleet.no-address.invalid"
    for sentence in (
        "west/fleet reports 192.0.2.10, which fleet has as well",
        "west/production is not in the group phase_2, although it reports so",
        "west_fleet, west_production, west_small, west_till-9, west_z1 have the namespace",
        "west/z1 is left out, because it is the host west_z1 of another source",
    ):
        assert sentence in said, said


def test_what_devices_write_is_never_a_template(site: Site) -> None:
    source = site.source(
        "hostile",
        namespaces=["south"],
        requests=True,
        compose={"copied": "flotta_device.hardware.hostname", "joined": "copied ~ '!'"},
        groups={"odd": "'lookup' in flotta_device.phase"},
        keyed_groups=[{"key": "flotta_device.phase", "prefix": "keyed"}],
    )
    play = {
        "hosts": "flotta_devices:flotta_requests",
        "connection": "local",
        "gather_facts": False,
        "tasks": [
            {
                "ansible.builtin.copy": {
                    "content": "{{ flotta_device.hardware.hostname }} {{ copied }} "
                    "{{ hostvars['south_camera-1'] | to_json }} {{ joined | default('') }}",
                    "dest": "{{ playbook_dir }}/copied",
                },
                "when": "inventory_hostname == 'south_camera-1'",
            },
            {
                "ansible.builtin.debug": {"msg": "{{ hostvars[inventory_hostname] }}"},
                "vars": {"ansible_connection": "local"},
            },
        ],
    }
    (site.folder / "play.json").write_text(json.dumps([play]))
    done = site.ansible("playbook", "-i", source, "play.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (site.folder / "copied").read_text().count("touch evaluated") >= 4
    assert not (site.folder / "evaluated").exists()
    graph = site.ansible("inventory", "--graph", "-i", source).stdout
    assert "@odd:" in graph
    assert "@keyed____lookup__pipe" in graph
    assert not (site.folder / "evaluated").exists()


BEFORE_2_19 = """
import sys, types
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.plugins.loader import init_plugin_loader, inventory_loader
from ansible.utils import unsafe_proxy
for owner in BaseInventoryPlugin.__mro__:
    if "trusted_by_default" in vars(owner):
        del owner.trusted_by_default
unsafe_proxy.AnsibleUnsafeText = Marked = type("Marked", (str,), {})
init_plugin_loader([])
plugin = inventory_loader.get("flotta.edge.fleet")
without_templates = sys.modules[type(plugin).__module__].without_templates
marked = without_templates({"name": "a", "labels": {"k": "b"}, "addresses": ["c"], "ready": True})
texts = [marked["name"], marked["labels"]["k"], marked["addresses"][0]]
print([type(text) is Marked for text in texts], marked["ready"])
"""


def test_every_text_of_a_device_is_marked_before_ansible_core_2_19() -> None:
    collections = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")}
    done = subprocess.run(
        [sys.executable, "-c", BEFORE_2_19], env=collections, capture_output=True, text=True
    )
    assert done.stdout.split("\n")[-2:-1] == ["[True, True, True] True"], done.stderr


def test_selection_names_and_other_sources_decide_which_hosts_there_are(site: Site) -> None:
    (site.folder / "static.ini").write_text("camera-1 ansible_host=198.51.100.1\n[shops]\ndesk\n")
    one, said = site.inventory(
        site.folder / "static.ini",
        site.source(
            "south",
            hostname="name",
            namespaces=["south"],
            label_selector="role",
            group_by=["label"],
        ),
    )
    assert hosts(one, "flotta_devices") == ["south_camera-1", "till-1"]
    assert one["_meta"]["hostvars"]["camera-1"] == {"ansible_host": "198.51.100.1"}
    assert "south_camera-1 has the namespace in the name" in said
    assert "namespace_south" not in one
    two, said = site.inventory(
        site.source(
            "named", hostname_prefix="eu-", namespaces=["north"], states=["ready"], hardware=[]
        )
    )
    assert hosts(two, "flotta_devices") == ["eu-north_till-1"]
    assert two["_meta"]["hostvars"]["eu-north_till-1"]["flotta_device"]["hardware"] == {}
    assert "WARNING" not in said


def test_failure_says_what_to_do(site: Site) -> None:
    stranger = site.engine.kubeconfig("stranger", [])
    untrusted = site.folder / "untrusted"
    other = Authority.create("other").certificate_pem
    untrusted.write_text(with_authority(Path(site.kubeconfig).read_text(), other))
    listed, said = site.inventory(
        site.source("missing", kubeconfig="nowhere"),
        site.source("forbidden", kubeconfig=str(stranger)),
        site.source("untrusted", kubeconfig=str(untrusted)),
        site.source("selector", label_selector="role in ("),
        site.source("network", address_networks=["10.0.0.0/33"]),
        site.source("unknown", label_selectors="role=till"),
        site.source("namespace", namespaces=["nort"]),
        site.source("plane", control_plane_host="all"),
        site.source("other").rename(site.folder / "other.yml"),
    )
    assert listed["_meta"]["hostvars"] == {}
    for sentence in (
        f"There is no kubeconfig {site.folder}/nowhere on this machine",
        "does not have the permission",
        "Use the kubeconfig of an administrator",
        "CERTIFICATE_VERIFY_FAILED",
        "The resource API refused the request",
        "10.0.0.0/33, which is not a network",
        "could not be verified by inventory plugin",
        "There is no option label_selectors. ansible-doc -t inventory flotta.edge.fleet has all",
        "No device was found in nort. Check namespaces",
        "control_plane_host is all, which is the name of a group. Name a host",
    ):
        assert sentence in said, sentence
    # Since 2.19, Ansible tells an error in short and at length.
    assert said.count("There is no kubeconfig") <= 2
    assert "Traceback" not in said


def with_authority(kubeconfig: str, certificate: bytes) -> str:
    content = yaml.safe_load(kubeconfig)
    encoded = base64.b64encode(certificate).decode()
    content["clusters"][0]["cluster"]["certificate-authority-data"] = encoded
    return yaml.safe_dump(content)


def test_warm_cache_makes_no_request_and_is_of_one_question(site: Site, tmp_path: Path) -> None:
    options = {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(tmp_path / "cache"),
    }
    cached = site.source("cached", **options)
    first, _ = site.inventory(cached)
    site.engine.stop()
    try:
        assert site.inventory(cached)[0] == first
        (site.folder / "nothing.json").write_text('[{"hosts": "all", "gather_facts": false}]')
        flushed = site.ansible("playbook", "-i", cached, "--flush-cache", "nothing.json")
        assert "does not answer" in " ".join(flushed.stderr.split())
        other = site.source("cached", **options, namespaces=["south"])
        changed = site.folder / "changed"
        changed.write_text(Path(site.kubeconfig).read_text() + "\n# of another control plane\n")
        of_other = site.source("of-other", **{**options, "kubeconfig": str(changed)})
        said = site.inventory(other, of_other)[1]
        assert "The resource API does not answer" in said
        assert said.count("as an inventory source") == 2
    finally:
        site.engine.start()
    assert hosts(site.inventory(other)[0], "flotta_devices") != hosts(first, "flotta_devices")


def test_playbooks_and_roles_of_the_collection_run_from_it(site: Site) -> None:
    inventory = site.folder / "inventory"
    variables = inventory / "group_vars"
    variables.mkdir(parents=True)
    source = site.source("roles", control_plane_host="plane", label_selector="role=till")
    source.rename(inventory / "fleet.flotta.yml")
    (variables / "all.json").write_text('{"ansible_connection": "local"}')
    selector = {"deviceSelector": {"matchLabels": {"role": "till"}}}
    plane = {
        "operator_engine": "kubernetes",
        "operator_kubernetes_kubeconfig": site.kubeconfig,
        "operator_address": "plane.example",
        "flotta_workloads": [{"name": "w", "spec": {**selector, "type": "pod", "pod": POD}}],
    }
    (variables / "flotta_control_plane.json").write_text(json.dumps(plane))
    server = {"name": "flotta.edge.device", "tasks_from": "server", "public": True}
    told = "{{ __device_name }} of {{ device_namespace }} is told {{ __device_server }}."
    tasks = [{"ansible.builtin.include_role": server}, {"ansible.builtin.debug": {"msg": told}}]
    devices = {"hosts": "flotta_devices", "gather_facts": False, "tasks": tasks}
    plays = [{"ansible.builtin.import_playbook": "flotta.edge.workloads"}, devices]
    (site.folder / "plays.json").write_text(json.dumps(plays))
    done = site.ansible("playbook", "-i", inventory, "--check", "plays.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed: [plane] => (item=w)" in done.stdout
    for namespace in ("north", "south"):
        assert f"till-1 of {namespace} is told plane.example:30043." in done.stdout
