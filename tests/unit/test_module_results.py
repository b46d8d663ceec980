"""What RETURN of a module promises is there."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from flotta.resources.crds import load_crd

COLLECTION = Path(__file__).parents[2] / "collections/ansible_collections/flotta/edge"
MODULES = sorted(COLLECTION.glob("plugins/modules/*.py"))
OF_OBJECTS = [module for module in MODULES if module.name.startswith("edge_")]
OF_THE_API = [module for module in MODULES if "api.run(" in module.read_text()]
# a result of modules → the kind of the object, or of the objects in the list
OBJECTS = {
    "device": "EdgeDevice",
    "devices": "EdgeDevice",
    "device_set": "EdgeDeviceSet",
    "workload": "EdgeWorkload",
    "workloads": "EdgeWorkload",
    "request": "EdgeDeviceSignedRequest",
    "requests": "EdgeDeviceSignedRequest",
}
ADDED = {"explanation", "state", "code"}  # by a module


def block(module: Path, name: str) -> dict[str, Any]:
    """Return DOCUMENTATION or RETURN of a module."""
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return yaml.safe_load(ast.literal_eval(node.value)) or {}
    return {}


def unknown_fields(contains: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the fields that RETURN describes and the schema does not have."""
    known = schema.get("items", schema).get("properties", {})
    for name, facts in contains.items():
        if name not in known:
            yield name
        elif "contains" in facts:
            yield from (f"{name}.{path}" for path in unknown_fields(facts["contains"], known[name]))


def without_sample(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield the results that have neither a sample nor described parts."""
    for name, facts in results.items():
        if "sample" not in facts and "contains" in facts:
            yield from (f"{name}.{path}" for path in without_sample(facts["contains"]))
        elif "sample" not in facts:
            yield name


@pytest.mark.parametrize("module", OF_THE_API, ids=lambda module: module.stem)
def test_every_result_has_a_sample_or_described_parts(module: Path) -> None:
    assert list(without_sample(block(module, "RETURN"))) == []


@pytest.mark.parametrize("module", OF_THE_API, ids=lambda module: module.stem)
def test_the_reason_of_a_refusal_is_described(module: Path) -> None:
    assert "reason" in block(module, "RETURN")


@pytest.mark.parametrize("module", OF_OBJECTS, ids=lambda module: module.stem)
def test_the_fields_of_a_returned_object_exist(module: Path) -> None:
    for name, facts in block(module, "RETURN").items():
        if name in OBJECTS and "contains" in facts:
            schema = load_crd(OBJECTS[name])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
            assert set(unknown_fields(facts["contains"], schema)) <= ADDED
