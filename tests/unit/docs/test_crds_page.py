"""The page of the custom resources is the generated one, and its examples are accepted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from crd_schemas import schemas_by_kind
from flotta.apiserver.schema.structural import StructuralSchema

ROOT = Path(__file__).parents[3]
SOURCES = [path for path in (ROOT / "scripts/crds").glob("*.yaml") if path.stem != "shared"]


def test_the_committed_page_is_the_generated_one() -> None:
    command = [sys.executable, ROOT / "scripts/document_crds.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_example_of_each_kind_is_accepted(source: Path) -> None:
    kind = yaml.safe_load(source.read_text())
    manifest = yaml.safe_load(kind["example"])
    assert manifest["kind"] == kind["kind"]
    admission = StructuralSchema(schemas_by_kind()[kind["kind"]]).admit(manifest)
    assert (admission.unknown, admission.causes) == ([], [])


def test_every_field_has_a_description_that_is_a_sentence() -> None:
    for kind, schema in schemas_by_kind().items():
        for part in ("spec", "status"):
            for path, field in _fields(schema["properties"][part], f"{kind}.{part}"):
                assert field.get("description", "").endswith("."), path


def _fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield path and schema of the fields of ours: all but what is below a PodSpec."""
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        if here == "EdgeWorkload.spec.pod.spec":
            continue
        yield here, field
        yield from _fields(field, here)
    for keyword in ("items", "additionalProperties"):
        if isinstance(inner := schema.get(keyword), dict):
            yield from _fields(inner, path)
