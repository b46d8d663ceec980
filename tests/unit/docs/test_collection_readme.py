"""The README of the collection, which Galaxy shows, names all that is in the collection."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import ROOT

COLLECTION = ROOT / "collections/ansible_collections/flotta/edge"
README = (COLLECTION / "README.md").read_text()
IMPORTED = {"inventory"}  # playbooks that others begin with


def plugins() -> list[str]:
    kinds = ("modules", "inventory", "callback")
    return [
        path.stem for kind in kinds for path in sorted((COLLECTION / "plugins" / kind).glob("*.py"))
    ]


def playbooks() -> list[str]:
    return [path.stem for path in sorted((COLLECTION / "playbooks").glob("*.yml"))]


@pytest.mark.parametrize("name", sorted({*plugins(), *playbooks()} - IMPORTED))
def test_it_names_each_module_plugin_and_playbook(name: str) -> None:
    assert name.startswith("_") or f"`flotta.edge.{name}`" in README


@pytest.mark.parametrize(
    "role", sorted((COLLECTION / "roles").iterdir()), ids=lambda role: role.name
)
def test_it_links_the_readme_of_each_role(role: Path) -> None:
    assert f"[{role.name}](roles/{role.name}/README.md)" in README


def test_it_has_what_reviewers_look_for() -> None:
    headings = {line.removeprefix("## ") for line in README.splitlines() if line.startswith("## ")}
    wanted = {"Requirements", "Install", "Quick start", "Content", "Upgrade", "Uninstall"}
    assert wanted | {"Support", "Versions", "Licence"} <= headings
