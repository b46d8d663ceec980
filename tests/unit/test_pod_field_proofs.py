"""Every field of a pod that is not refused is tried on a device."""

from __future__ import annotations

import ast
from pathlib import Path

from flotta.pod_fields.field import Support
from flotta.pod_fields.table import rows
from pods.proofs import NOT_PROVED, PROVED_BY

PODS = Path(__file__).parents[1] / "pods"


def _works() -> set[str]:
    """Return the paths of rows; what is said of containers is true of init containers too."""
    return {
        row.path
        for row in rows()
        if row.support is not Support.REFUSED and not row.path.startswith("initContainers[]")
    }


def test_every_field_that_works_is_tried_on_a_device() -> None:
    proved = {path for tests in PROVED_BY.values() for paths in tests.values() for path in paths}
    assert sorted(_works() - proved - NOT_PROVED.keys()) == []
    assert sorted((proved | NOT_PROVED.keys()) - _works()) == []


def test_the_tests_exist() -> None:
    for file, tests in PROVED_BY.items():
        tree = ast.parse((PODS / file).read_text())
        known = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert sorted(tests.keys() - known) == []
