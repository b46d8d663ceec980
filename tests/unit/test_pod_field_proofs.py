"""Every field of a pod that is not refused is tried on a device."""

from __future__ import annotations

import ast
from pathlib import Path

from flotta.pod_fields.field import Field, PodmanVersion, Support
from flotta.pod_fields.table import rows
from pods.proofs import NOT_PROVED, PROVED_BY

PODS = Path(__file__).parents[1] / "pods"
OLDEST = PodmanVersion(4, 3)  # that of the device in `make test`
DEEP = "pytest.mark.deep"


def _working() -> dict[str, Field]:
    """Return rows by path; what is said of containers is true of init containers too."""
    return {
        row.path: row
        for row in rows()
        if row.support is not Support.REFUSED and not row.path.startswith("initContainers[]")
    }


def _is_refused_by_the_oldest(path: str, row: Field) -> bool:
    """Tell whether the oldest podman ignores a field, or the one that it is part of."""
    wholes = [whole for whole in rows() if path.startswith((f"{whole.path}[", f"{whole.path}."))]
    return any(
        refusal.before is not None and refusal.before > OLDEST
        for found in (row, *wholes)
        for refusal in found.refusals
    )


def _find_tests(file: str) -> dict[str, bool]:
    """Return for each test of a file whether it is a deep one."""
    tree = ast.parse((PODS / file).read_text())
    is_deep = any(
        isinstance(node, ast.Assign)
        and ast.unparse(node.targets[0]) == "pytestmark"
        and DEEP in ast.unparse(node.value)
        for node in tree.body
    )
    return {
        node.name: is_deep or DEEP in map(ast.unparse, node.decorator_list)
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }


def test_every_field_that_works_is_tried_on_a_device() -> None:
    proved = {path for tests in PROVED_BY.values() for paths in tests.values() for path in paths}
    works = _working().keys()
    assert sorted(works - proved - NOT_PROVED.keys()) == []
    assert sorted((proved | NOT_PROVED.keys()) - works) == []


def test_the_tests_exist() -> None:
    for file, tests in PROVED_BY.items():
        assert sorted(tests.keys() - _find_tests(file).keys()) == []


def test_fields_that_work_with_the_oldest_podman_are_tried_in_each_run() -> None:
    tried = {
        path
        for file, tests in PROVED_BY.items()
        for test, paths in tests.items()
        if not _find_tests(file)[test]
        for path in paths
    }
    needed = {
        path
        for path, row in _working().items()
        if path not in NOT_PROVED and not _is_refused_by_the_oldest(path, row)
    }
    assert sorted(needed - tried) == []
