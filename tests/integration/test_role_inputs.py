"""What devices are told about the control plane, by the inputs of its host."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from flotta.identity.authority import Authority
from flotta.identity.keys import key_to_pem, new_key, public_key_fingerprint
from servers.api_server import KubernetesApi

ROOT = Path(__file__).parents[2]
ROLES = ROOT / "collections/ansible_collections/flotta/edge/roles"
HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
CLUSTER = {"operator_engine": "kubernetes", "ansible_host": "192.0.2.9"}
BALANCER = {**CLUSTER, "operator_service_type": "LoadBalancer"}
SERVERS: dict[str, tuple[dict[str, Any], str]] = {
    "embedded": ({"ansible_host": "192.0.2.1"}, "192.0.2.1:8043"),
    "embedded-by-name": ({}, "embedded-by-name:8043"),
    "nodes": ({**CLUSTER, "operator_address": "node.example"}, "node.example:30043"),
    "port": (
        {**CLUSTER, "operator_address": "a.example", "operator_node_port": 31000},
        "a.example:31000",
    ),
    "ingress": ({**CLUSTER, "operator_ingress": {"host": "edge.example"}}, "edge.example:443"),
    "route": ({**CLUSTER, "operator_route": {"host": "edge.example"}}, "edge.example:443"),
    "front": (
        {**CLUSTER, "operator_address": "front.example", "operator_edge_api_port": 8443},
        "front.example:8443",
    ),
    "balancer": ({**BALANCER, "operator_endpoint": "198.51.100.7:8043"}, "198.51.100.7:8043"),
    "balancer-6": ({**BALANCER, "operator_endpoint": "[2001:db8::7]:8043"}, "[2001:db8::7]:8043"),
    "balancer-named": ({**BALANCER, "operator_address": "edge.example"}, "edge.example:8043"),
}
STORED = {
    "operator_components": ["edge_api"],
    "operator_backend": "remote",
    "operator_remote_backend_url": "https://store.example:8443",
}
NOTHING = {"operator_components": [], **HERE}
CA = Authority.create("CA of the store").certificate_pem.decode()
DAMAGED = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"


def playbook(
    folder: Path, play: dict[str, Any], hosts: dict[str, Any], *options: str, **environment: str
) -> str:
    """Run a play on hosts that are all this machine; returns what it says."""
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    (folder / "play.json").write_text(json.dumps([{"gather_facts": False, **play}]))
    command = [
        sys.executable,
        "-m",
        "ansible.cli.playbook",
        "play.json",
        "-i",
        "hosts.json",
        *options,
    ]
    variables = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_NOCOLOR": "1",
        "NO_COLOR": "1",
        "PYTHONPATH": str(ROOT / "src"),
        **environment,
    }
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    return " ".join((done.stdout + done.stderr).split())


def given(**inputs: str) -> list[str]:
    """Options of ansible-playbook by which inputs arrive as text."""
    return [part for name, value in inputs.items() for part in ("-e", f"{name}={value}")]


def test_devices_are_told_where_the_control_plane_lets_them_in(tmp_path: Path) -> None:
    files = [str(ROLES / "device" / name) for name in ("defaults/main.yml", "vars/main.yml")]
    show = {
        "ansible.builtin.debug": {"msg": "{{ inventory_hostname }} is told {{ __device_server }}."},
        "vars": {"device_control_plane_host": "{{ inventory_hostname }}"},
    }
    play = {"hosts": "all", "vars_files": files, "tasks": [show]}
    said = playbook(tmp_path, play, {name: inputs for name, (inputs, _) in SERVERS.items()})
    for name, (_, server) in SERVERS.items():
        assert f"{name} is told {server}." in said


def test_media_are_told_the_same(tmp_path: Path) -> None:
    """The playbook that writes ISOs asks the role, and what it gets is the server of the ISO."""
    text = (ROLES.parent / "playbooks/device_iso.yml").read_text()
    tasks = {task["name"]: task for play in yaml.safe_load(text) for task in play.get("tasks", ())}
    server = tasks["Write the ISO"]["flotta.edge.device_iso"]["server"]
    show = {"ansible.builtin.debug": {"msg": f"{{{{ inventory_hostname }}}} is told {server}."}}
    play = {
        "hosts": "all",
        "vars": {"device_control_plane_host": "{{ inventory_hostname }}"},
        "tasks": [tasks["Find the address at which devices reach the control plane"], show],
    }
    said = playbook(tmp_path, play, {name: inputs for name, (inputs, _) in SERVERS.items()})
    for name, (_, expected) in SERVERS.items():
        assert f"{name} is told {expected}." in said


def test_places_of_red_hat_are_left_to_red_hat(tmp_path: Path) -> None:
    releases = {
        "rhel": ('ID="rhel"\nID_LIKE="fedora"\n', None),
        "rocky": ('NAME="Rocky Linux"\nID="rocky"\nID_LIKE="rhel centos fedora"\n', None),
        "fedora": ("ID=fedora\n", None),
        "silent": (None, "Red Hat Enterprise Linux release 9.4 (Plow)\n"),
        "debian": ('ID=debian\nHOME_URL="https://fedora.example/rhel"\n', None),
        "unknown": (None, None),
    }

    def read(text: str | None) -> dict[str, Any]:
        return {"content": base64.b64encode(text.encode()).decode()} if text else {"failed": True}

    hosts = {
        name: {"__device_texts": {"results": [{}, {}, *map(read, texts)]}}
        for name, texts in releases.items()
    }
    files = [str(ROLES / "device" / name) for name in ("defaults/main.yml", "vars/main.yml")]
    chosen = "{{ __device_chosen_identity }} {{ __device_chosen_configuration }}"
    show = {"ansible.builtin.debug": {"msg": f"{{{{ inventory_hostname }}}}: {chosen}."}}
    found = {"__device_found": {"ours": [], "foreign": []}}
    play = {"hosts": "all", "vars": found, "vars_files": files, "tasks": [show]}
    said = playbook(tmp_path, play, hosts)
    for name in ("rhel", "rocky", "fedora", "silent"):
        assert f"{name}: /etc/flotta/device /etc/flotta/gateway." in said
    for name in ("debian", "unknown"):
        assert f"{name}: /etc/pki/consumer /etc/yggdrasil." in said


def test_clocks_are_compared_in_whatever_time_zone_the_controller_is(tmp_path: Path) -> None:
    role = {"name": "flotta.edge.programs", "tasks_from": "preflight"}
    inputs = {
        "programs_python": sys.executable,
        "programs_preflight_ignore": ["space"],
        **HERE,
    }
    play = {"hosts": "all", "tasks": [{"ansible.builtin.include_role": role}]}
    digest = given(__programs_digest="0123")
    said = playbook(tmp_path, play, {"box": inputs}, *digest, TZ="IST-5:30")
    assert "[clock]" not in said
    assert "failed=0" in said, said


def test_order_of_places_and_services_is_the_same_in_every_run(tmp_path: Path) -> None:
    """The first place with files of flotta is the current one; a service needs those before it."""
    names = [f"host-{number}" for number in range(8)]
    files = ["device/defaults/main.yml", "device/vars/main.yml", "programs/vars/main.yml"]
    given = {
        "device_identity_directory": "/srv//{{ inventory_hostname }}/",
        "__device_texts": {"results": []},
        "programs_services": ["{{ inventory_hostname }}-" + name for name in ("a", "b", "c")],
        "__programs_existing": {"results": []},
        "named": "{{ __device_identities + __programs_startable }}",
    }
    show = {"ansible.builtin.debug": {"msg": "{{ named | join(' ') }}."}, "vars": given}
    sources = [str(ROLES / name) for name in files]
    play = {"hosts": "all", "vars_files": sources, "tasks": [show]}
    said = playbook(tmp_path, play, {name: {} for name in names})
    for name in names:
        places = f"/srv/{name} /etc/flotta/device /etc/pki/consumer"
        assert f"{places} {name}-a {name}-b {name}-c." in said


def test_removal_of_local_hosts_names_in_check_mode_what_would_go(tmp_path: Path) -> None:
    site, podman = tmp_path / "site", tmp_path / "bin/podman"
    podman.parent.mkdir()
    podman.write_text(f"#!/bin/sh\necho {site}\n")
    podman.chmod(0o755)
    inputs = {"local_hosts_directory": str(site), "local_hosts_state": "absent", **HERE}
    role = {"name": "flotta.edge.local_hosts"}
    tasks = [
        {"ansible.builtin.include_role": {**role, **part}} for part in ({"tasks_from": "host"}, {})
    ]
    path = f"{podman.parent}:{os.environ['PATH']}"
    said = playbook(
        tmp_path, {"hosts": "all", "tasks": tasks}, {"till-1": inputs}, "--check", PATH=path
    )
    assert "Would remove the container flotta-till-1 and its volumes." in said
    assert "Would remove the network flotta-site." in said
    assert "was not created for this site" not in said


def test_address_is_asked_for_where_nothing_else_says_it(tmp_path: Path) -> None:
    common = {
        "operator_engine": "kubernetes",
        "operator_image": "image",
        "operator_bucket_for_every_device": False,
    }
    hosts: dict[str, dict[str, Any]] = {
        "silent": {},
        "loopback": {"operator_address": "localhost"},
        "cluster.example": {"operator_address": "cluster.example"},
        "balancer": {"operator_service_type": "LoadBalancer"},
        "ingress": {"operator_ingress": {"host": "edge.example"}},
    }
    role = {"name": "flotta.edge.operator", "tasks_from": "kubernetes/inputs"}
    play = {"hosts": "all", "vars": common, "tasks": [{"ansible.builtin.include_role": role}]}
    said = playbook(tmp_path, play, hosts)
    remedy = (
        "set it to a name or an address of the cluster that devices reach, such as that of a node, "
        "or leave it out"
    )
    assert f"operator_address is not set; {remedy}" in said
    assert f"operator_address is localhost; {remedy}" in said
    recap = said.split("PLAY RECAP")[1]
    assert recap.count("failed=1") == 2
    assert recap.count("failed=0") == 3


def test_components_that_would_not_work_on_a_machine_are_refused(tmp_path: Path) -> None:
    remote = {"operator_backend": "remote"}
    hosts: dict[str, dict[str, Any]] = {
        "usual": {},
        "stored": {"operator_components": ["edge_api", "configuration_api"]},
        "storeless": {"operator_components": ["edge_api"]},
        "nameless": {"operator_components": ["edge_api"], **remote},
        "uncertified": {"operator_components": ["configuration_api"]},
        "double": {"operator_components": ["edge_api", "operator", "configuration_api"]},
        "fleetless": {"operator_components": ["operator"], **remote},
        "mistaken": {**STORED, "operator_remote_backend_url": "https://u:hunter2@store:8443"},
        "endless": {**STORED, "operator_remote_backend_timeout": "5 seconds"},
        "damaged": {**STORED, "operator_remote_backend_ca_pem": DAMAGED},
        "trusting": {**STORED, "operator_remote_backend_ca_pem": CA},
    }
    role = {"name": "flotta.edge.operator", "tasks_from": "embedded/inputs"}
    play = {"hosts": "all", "vars": HERE, "tasks": [{"ansible.builtin.include_role": role}]}
    said = playbook(tmp_path, play, hosts)
    for sentence in (
        "operator_components has no operator, and storeless has no resource API; set operator_back",
        "operator_remote_backend_url is not set; set it to the URL of the data store",
        "uncertified has no such Edge API. Use [edge_api, configuration_api]",
        "double has a resource API. Use [edge_api, configuration_api]",
        "operator_components has operator, which works with a fleet in the resource API only",
        "operator_remote_backend_url is not the URL of a data store",
        "operator_remote_backend_timeout is not a duration from 10ms to 1h",
        "operator_remote_backend_ca_pem does not contain certificates in PEM form",
    ):
        assert sentence in said
    assert "hunter2" not in said
    recap = said.split("PLAY RECAP")[1]
    assert (recap.count("failed=1"), recap.count("failed=0")) == (8, 3)


def test_a_role_without_components_does_not_look_as_if_it_had_done_something(
    tmp_path: Path,
) -> None:
    role = {"ansible.builtin.include_role": {"name": "flotta.edge.operator"}}
    said = playbook(tmp_path, {"hosts": "all", "tasks": [role]}, {"box": NOTHING})
    assert "operator_components is empty. Name at least one component" in said


STORE_COMMAND = """#!/bin/sh
echo "$*" >>{calls}
[ "$1" = approve ] || {{ echo "flotta-configuration-api: $STORE_SAYS" >&2; exit 1; }}
echo "$2 may register"
"""


def test_only_the_key_on_the_device_is_approved_and_only_the_unknown_may_go(tmp_path: Path) -> None:
    calls, programs = tmp_path / "calls", tmp_path / "bin"
    programs.mkdir()
    (programs / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (programs / "flotta-configuration-api").write_text(STORE_COMMAND.format(calls=calls))
    for program in programs.iterdir():
        program.chmod(0o755)
    key = new_key()
    for place in ("asked/device/pending.pem", "joined/device/current/key.pem"):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_bytes(key_to_pem(key))
    hosts = {
        "silent": {**HERE, "part": "approval"},
        "asked": {**HERE, "part": "approval"},
        "joined": {**HERE, "part": "approval"},
        "unknown": {**HERE, "part": "leaving", "answer": "it is not registered here, so nothing"},
        "locked": {**HERE, "part": "leaving", "answer": "the database is locked"},
    }
    facts = {
        "device_control_plane_host": "{{ inventory_hostname }}",
        "device_ready_timeout": 1,
        "__device_programs": str(programs),
        "__device_identity": f"{tmp_path}/{{{{ inventory_hostname }}}}",
        "__device_has_reference_store": True,
    }
    role = {"name": "flotta.edge.device", "tasks_from": "{{ part }}"}
    environment = {"STORE_SAYS": "{{ answer | default('') }}"}
    tasks = [{"ansible.builtin.include_role": {**role, "apply": {"environment": environment}}}]
    said = playbook(tmp_path, {"hosts": "all", "tasks": tasks}, hosts, "-e", json.dumps(facts))
    assert "silent did not ask to join within 1 s" in said
    approved = {line for line in calls.read_text().splitlines() if line.startswith("approve")}
    fingerprint = public_key_fingerprint(key.public_key())
    assert approved == {
        f"approve default/{name} --key {fingerprint}" for name in ("asked", "joined")
    }
    recap = said.split("PLAY RECAP")[1].split()
    failed = {name: recap[recap.index(name) + 5] for name in hosts}
    wanted = ("silent", "locked")
    assert failed == {name: f"failed={int(name in wanted)}" for name in hosts}, said


def test_inputs_reach_the_objects_and_the_address_reaches_devices(
    kubernetes: KubernetesApi, tmp_path: Path
) -> None:
    inputs = {
        "operator_engine": "kubernetes",
        "operator_namespace": "edge",
        "operator_image": "image",
        "operator_bucket_for_every_device": False,
        "operator_edge_api_resources": {"cpu_limit": "1234m"},
        "operator_edgeworkload_concurrency": "17",
        "operator_max_concurrent_reconciles": "18",
        "operator_resources": {"memory_limit": "456Mi"},
        "operator_ingress": {"host": "edge.example"},
        "__operator_dry_run": False,
        "operator_kubernetes_kubeconfig": str(kubernetes.kubeconfig()),
        **HERE,
    }
    role = {"name": "flotta.edge.operator", "tasks_from": "kubernetes/install"}
    show = {"msg": "The endpoint is {{ __operator_installed.endpoint }}."}
    tasks = [{"ansible.builtin.include_role": role}, {"ansible.builtin.debug": show}]
    play = {"hosts": "all", "tasks": tasks}
    said = playbook(tmp_path, play, {"cluster": inputs}, "--check", "--diff")
    pods = ('"cpu": "1234m"', '"memory": "456Mi"')
    settings = ('"EDGEWORKLOAD_CONCURRENCY": "17"', '"MAX_CONCURRENT_RECONCILES": "18"')
    for part in ('"namespace": "edge"', *pods, *settings):
        assert part in said
    assert "The endpoint is edge.example:443." in said


def test_inputs_may_be_text(tmp_path: Path) -> None:
    inputs = {"operator_engine": "kubernetes", "operator_image": "image", "operator_address": "a"}
    role = {"name": "flotta.edge.operator", "tasks_from": "kubernetes/inputs"}
    play = {"hosts": "all", "tasks": [{"ansible.builtin.include_role": role}]}
    text = given(operator_bucket_for_every_device="false")
    assert "failed=0" in playbook(tmp_path, play, {"cluster": inputs}, *text)


def test_inputs_of_the_removal_may_be_text(kubernetes: KubernetesApi, tmp_path: Path) -> None:
    inputs = {
        "operator_engine": "kubernetes",
        "operator_kubernetes_kubeconfig": str(kubernetes.kubeconfig()),
        **HERE,
    }
    text = given(
        operator_state="absent",
        operator_delete_data="true",
        operator_wait_timeout="60",
        operator_decommission_timeout="30",
        programs_state="absent",  # the modules find flotta in this Python
        programs_directory=str(tmp_path / "programs"),
    )
    play = {"hosts": "all", "roles": ["flotta.edge.operator"]}
    said = playbook(tmp_path, play, {"cluster": inputs}, *text)
    assert "failed=0" in said, said
    assert "Remove the CRDs of flotta" in said


def test_kubeconfig_is_looked_for_before_anything_is_installed(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    there, missing = str(tmp_path / "there"), str(tmp_path / "missing")
    common = {"operator_engine": "kubernetes", **HERE}
    hosts: dict[str, dict[str, Any]] = {
        "unnamed": {},
        "missing": {"operator_kubernetes_kubeconfig": "~/missing"},
        "listed": {"listed": f"{missing}:{there}"},
        "named": {"operator_kubernetes_kubeconfig": there, "listed": missing},
    }
    role = {"name": "flotta.edge.operator", "tasks_from": "kubernetes/programs"}
    environment = {
        "HOME": str(tmp_path),
        "KUBECONFIG": "{{ listed | default('') }}",
    }
    play = {
        "hosts": "all",
        "vars": common,
        "tasks": [{"ansible.builtin.include_role": role}],
        "environment": environment,
    }
    text = given(programs_state="absent", programs_directory=str(tmp_path / "programs"))
    said = playbook(tmp_path, play, hosts, *text)
    assert f"There is no kubeconfig {tmp_path}/.kube/config on unnamed; set operator_kub" in said
    assert (
        f"There is no kubeconfig {missing} on missing; set operator_kubernetes_kubeconfig" in said
    )
    recap = said.split("PLAY RECAP")[1]
    assert (recap.count("failed=1"), recap.count("failed=0")) == (2, 2)
