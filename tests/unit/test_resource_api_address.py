"""The embedded resource API is open to its own machine only, unless somebody decides otherwise."""

from __future__ import annotations

from pathlib import Path

import yaml

from flotta.settings.engine import API_LISTEN

ROOT = Path(__file__).parents[2]
ROLE = ROOT / "collections/ansible_collections/flotta/edge/roles/operator"


def test_the_program_listens_on_loopback_by_default() -> None:
    assert API_LISTEN.default == "127.0.0.1:6443"


def test_the_role_listens_on_loopback_by_default() -> None:
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    services = yaml.safe_load((ROLE / "vars/main.yml").read_text())["__operator_services"]
    (command,) = (one["command"] for one in services if one["name"] == "flotta-apiserver")
    assert defaults["operator_resource_api_listen"] == "127.0.0.1"
    assert "--listen {{ operator_resource_api_listen }}:" in command


def test_the_local_site_is_reached_from_the_controller() -> None:
    local = ROOT / "inventories/local/group_vars/flotta_control_plane.yml"
    listen = yaml.safe_load(local.read_text())["operator_resource_api_listen"]
    assert not listen.startswith("127.")
