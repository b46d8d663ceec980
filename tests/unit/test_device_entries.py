"""The order in which the role device removes its files: the mark of each place goes last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader

ROLE = Path(__file__).parents[2] / "collections/ansible_collections/flotta/edge/roles/device"


def entries(name: str, **variables: Any) -> list[dict[str, Any]]:
    environment = Environment(loader=FileSystemLoader(ROLE / "templates"), trim_blocks=True)  # noqa: S701
    environment.filters["to_json"] = json.dumps
    text = environment.get_template(f"{name}_entries.json.j2").render(variables)
    rendered: list[dict[str, Any]] = json.loads(text)
    return rendered


@pytest.mark.parametrize(
    ("name", "mark", "variables"),
    [
        ("identity", "cert.pem", {"__device_identities": ["/a", "/b"], "__device_mark": "flotta"}),
        (
            "configuration",
            "config.toml",
            {
                "__device_configurations": ["/a", "/b"],
                "__device_mark": "flotta",
            },
        ),
    ],
)
def test_mark_is_removed_after_the_files_that_it_vouches_for(
    name: str, mark: str, variables: dict[str, Any]
) -> None:
    paths = [entry["path"] for entry in entries(name, **variables)]
    for folder in ("/a", "/b"):
        assert [path for path in paths if path.startswith(folder)][-1] == f"{folder}/{mark}"


def test_link_that_an_interrupted_renewal_left_is_removed() -> None:
    paths = [
        entry["path"]
        for entry in entries("identity", __device_identities=["/a"], __device_mark="flotta")
    ]
    assert "/a/device/.current.new" in paths
