"""Where a device has its files, which of them are in use, and which may be removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import yaml

from flotta.apiserver.pki import render_kubeconfig
from flotta.identity.authority import Authority

ROOT = Path(__file__).parents[2]
ROLES = ROOT / "collections/ansible_collections/flotta/edge/roles"
USUAL, OWN = "/etc/pki/consumer", "/etc/flotta/device"
NAMES = ("cert.pem", "key.pem", "ca.pem", "device/1", "device/current")
SHOWN = {
    "current": "{{ __device_current_identity }}",
    "identity": "{{ __device_identity }}",
    "moves": "{{ __device_moves }}",
    "removed": "{{ __device_other_entries | map(attribute='path') }}",
    "stays": "{{ __device_uncopied }}",
}


def show_on(folder: Path, role: str, shown: dict[str, Any], hosts: dict[str, Any]) -> Any:
    """Return what variables of a role are, by the name of the host."""
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    here |= yaml.safe_load((ROLES / role / "defaults/main.yml").read_text())
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": here}}))
    (folder / "templates").symlink_to(ROLES / role / "templates")
    write = {
        "ansible.builtin.copy": {
            "dest": f"{folder}/{{{{ inventory_hostname }}}}.out",
            "content": "{{ shown | to_json }}",
        },
        "vars": {"shown": shown},
    }
    sources = [str(ROLES / role / "vars/main.yml")]
    play = {"hosts": "all", "gather_facts": False, "vars_files": sources, "tasks": [write]}
    (folder / "play.json").write_text(json.dumps([play]))
    command = [sys.executable, "-m", "ansible.cli.playbook", "play.json", "-i", "hosts.json"]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return {name: json.loads((folder / f"{name}.out").read_text()) for name in hosts}


def found(
    *ours: str, foreign: tuple[str, ...] = (), recorded: str = "", **inputs: str
) -> dict[str, Any]:
    """Return the variables of a host as the tasks of the role find them."""
    configuration = f'# Written by the role flotta.edge.device\ncert-file = "{recorded}/cert.pem"\n'
    read = {"content": b64encode(configuration.encode()).decode()} if recorded else {}
    return {
        "__device_texts": {"results": [{}, read, {}, {}]},
        "__device_found": {"ours": list(ours), "foreign": [f"{path} is not" for path in foreign]},
        "__device_registration": {"certificate": "A"},
        "__device_certificates": {"results": [{"content": b64encode(b"A").decode()}, {}, {}]},
        "device_namespace": "default",
        **inputs,
    }


def all_of(place: str) -> list[str]:
    return [f"{place}/{name}" for name in NAMES]


OWN_FILES = (f"{USUAL}/device/1", f"{USUAL}/device/current")
FOREIGN = (f"{USUAL}/cert.pem", f"{USUAL}/key.pem")
JOINED = (f"{USUAL}/ca.pem", *OWN_FILES)  # the registration certificate is removed
NOTHING_READ = {"__device_certificates": {"results": [{}, {}, {}]}}
MEMBER = {**NOTHING_READ, "__device_registration": {"certificate": "", "needed": False}}
CHOSEN = {
    "below-usual": f"{USUAL}/flotta",
    "below-configuration": "/etc/flotta/gateway/id",
    "configuration": "/etc/flotta/gateway",
    "beside": f"{OWN}-2",
    "moved-below": "/srv/id/new",
}
HOSTS = {
    **{name: found(device_identity_directory=place) for name, place in CHOSEN.items()},
    "moved-below": found(
        *all_of("/srv/id"), recorded="/srv/id", device_identity_directory=CHOSEN["moved-below"]
    ),
    "overwritten": found(*OWN_FILES, foreign=FOREIGN, recorded=USUAL),
    "unrecorded": found(*OWN_FILES, foreign=FOREIGN),
    "half-copied": found(*OWN_FILES, f"{OWN}/device/current", foreign=FOREIGN, recorded=USUAL),
    "chosen": found(
        *OWN_FILES, foreign=FOREIGN, recorded=USUAL, device_identity_directory="/srv/id"
    ),
    "joined": found(*JOINED, recorded=USUAL) | MEMBER,
    "joined-recorded": found(*(p.replace(USUAL, "/srv/id") for p in JOINED), recorded="/srv/id")
    | MEMBER,
    "joined-overwritten": found(*JOINED, foreign=FOREIGN, recorded=USUAL) | MEMBER,
    "joins-again": found(*JOINED, recorded=USUAL) | NOTHING_READ,
    "two": found(*all_of(OWN), *OWN_FILES, foreign=FOREIGN, recorded=OWN),
    "two-of-ours": found(*all_of(OWN), *all_of(USUAL), recorded=OWN),
    "interrupted": found(*all_of(OWN), *OWN_FILES, f"{USUAL}/device-copied", recorded=OWN),
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return show_on(tmp_path_factory.mktemp("device"), "device", SHOWN, HOSTS)


@pytest.mark.parametrize(("name", "place"), CHOSEN.items())
def test_an_identity_below_another_place_is_not_among_what_is_removed(
    shown: Any, name: str, place: str
) -> None:
    removed = shown[name]["removed"]
    settings = [f"{place}/tags.toml", f"{place}/config.toml"] if name == "configuration" else []
    assert shown[name]["identity"] == place
    assert [path for path in removed if path.startswith(f"{place}/")] == settings
    assert f"{OWN}/cert.pem" in removed
    assert ("/srv/id/device/current" in removed) is (name == "moved-below")


@pytest.mark.parametrize("name", ["overwritten", "unrecorded", "half-copied", "chosen"])
def test_an_identity_beside_a_foreign_certificate_is_moved(shown: Any, name: str) -> None:
    assert (shown[name]["current"], shown[name]["moves"]) == (USUAL, True)
    assert shown[name]["identity"] == ("/srv/id" if name == "chosen" else OWN)
    assert f"{USUAL}/device/current" in shown[name]["removed"]


@pytest.mark.parametrize("name", ["joined", "joined-recorded", "joined-overwritten", "joins-again"])
def test_identity_of_a_device_that_has_joined_stays_unless_others_are_there(
    shown: Any, name: str
) -> None:
    place = "/srv/id" if name == "joined-recorded" else USUAL
    overwritten = name == "joined-overwritten"
    assert (shown[name]["current"], shown[name]["moves"]) == (place, overwritten)
    assert shown[name]["identity"] == (OWN if overwritten else place)
    assert (f"{place}/device/current" in shown[name]["removed"]) is overwritten


@pytest.mark.parametrize("name", ["two", "two-of-ours", "interrupted"])
def test_an_identity_that_was_not_copied_stays(shown: Any, name: str) -> None:
    copied = name == "interrupted"
    assert (shown[name]["current"], shown[name]["moves"]) == (OWN, False)
    assert shown[name]["stays"] == ([] if copied else [f"{USUAL}/device"])
    removed = [path for path in shown[name]["removed"] if path.startswith(f"{USUAL}/device/")]
    assert bool(removed) is copied


SETTINGS = """AWS_ENDPOINT_URL=https://192.0.2.1:9000
AWS_CA_BUNDLE={folder}/s3-ca.crt
AWS_DEFAULT_REGION=us-east-1
AWS_REQUEST_CHECKSUM_CALCULATION=when_required
AWS_RESPONSE_CHECKSUM_VALIDATION=when_required
AWS_ACCESS_KEY_ID=key
AWS_SECRET_ACCESS_KEY=secret
"""


def test_files_on_the_controller_are_told_from_those_of_others(tmp_path: Path) -> None:
    issued = Authority.create("Flotta CA").issue_registration()
    kubeconfig = render_kubeconfig("https://a", b"ca", "flotta-admin", issued).decode()
    merged = kubeconfig.replace("users:", "- name: prod\n  cluster: {server: b}\nusers:")
    staging = kubeconfig.replace("name: flotta\n", "name: flotta-staging\n")
    flow = kubeconfig.replace("users:", "- {name: prod, cluster: {server: b}}\nusers:")
    written = f"# Written by the role flotta.edge.operator. Changes are lost.\n{kubeconfig}"
    settings = SETTINGS.format(folder=tmp_path)
    more = "AWS_PROFILE=mine\n"
    texts = {
        "former": (kubeconfig, settings),
        "written": (written, f"# Written by the role flotta.edge.operator\n{settings}"),
        "changed": (kubeconfig + "preferences: {}\n", settings.replace("us-east-1", "x")),
        "merged": (merged, settings + more),
        "staging": (staging, "AWS_REQUEST_CHECKSUM_CALCULATION=when_required\n"),
        "flow": (flow, settings.replace(str(tmp_path), "/elsewhere")),
    }
    hosts = {}
    for name, (config, environment) in texts.items():
        (tmp_path / f"{name}.kubeconfig").write_text(config)
        (tmp_path / f"{name}.env").write_text(environment)
        hosts[name] = {
            "operator_kubeconfig": f"{tmp_path}/{name}.kubeconfig",
            "operator_s3_environment": f"{tmp_path}/{name}.env",
        }
    hosts["none"] = {"operator_kubeconfig": f"{tmp_path}/none", "operator_s3_environment": ""}
    owned = ["{{ __operator_owns_kubeconfig }}", "{{ __operator_owns_environment }}"]
    (tmp_path / "s3-ca.crt").write_text("-----BEGIN CERTIFICATE-----\n")
    variables = {"owned": owned, "refused": "{{ __operator_foreign_files }}"}
    shown = show_on(tmp_path, "operator", variables, hosts)
    ours = {name for name in shown if shown[name]["owned"] == [True, True]}
    foreign = {name for name in shown if shown[name]["owned"] == [False, False]}
    assert ours == {"former", "written", "changed"}
    assert foreign == {"merged", "staging", "flow", "none"}
    for name in shown:
        refused = [*hosts[name].values(), f"{tmp_path}/s3-ca.crt"]
        assert shown[name]["refused"] == (refused if name in foreign - {"none"} else [])
