"""The action group `edge` has the modules that connect to the resource API, and no others."""

from __future__ import annotations

from pathlib import Path

import yaml

FRAGMENT = "  - flotta.edge.connection\n"  # the documentation of how a module connects
COLLECTION = Path(__file__).parents[2] / "collections/ansible_collections/flotta/edge"


def test_the_action_group_has_every_module_with_a_connection() -> None:
    groups = yaml.safe_load((COLLECTION / "meta/runtime.yml").read_text())["action_groups"]
    modules = sorted((COLLECTION / "plugins/modules").glob("*.py"))
    connected = [file.stem for file in modules if FRAGMENT in file.read_text()]
    assert groups == {"edge": connected}
