"""Paths of printer columns."""

from __future__ import annotations

from typing import Any

import pytest

from flotta.apiserver.schema.jsonpath import PathError, compile_path
from flotta.resources import crds

OBJECT = {
    "metadata": {"labels": {"flotta/member-of": "north", "a.b/c": "d"}},
    "status": {
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "Last", "status": "False"}],
        "workloads": [{"name": "w1"}, {"name": "w2"}],
        "empty": [],
    },
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (".metadata.labels.flotta/member-of", "north"),
        (r".metadata.labels.a\.b/c", "d"),
        (".metadata.labels['a.b/c']", "d"),
        ('.status.conditions[?(@.type=="Ready")].status', "True"),
        ('.status.conditions[?(@.type=="None")].status', None),
        (".status.conditions[-1:].type", "Last"),
        (".status.conditions[-1].type", "Last"),
        (".status.workloads[*].name", "w1"),
        (".status.workloads[1].name", "w2"),
        (".status.empty[*].name", None),
        (".status.workloads.name", None),
        (".nothing.at.all", None),
    ],
)
def test_a_path_returns_its_first_value(path: str, value: Any) -> None:
    assert compile_path(path)(OBJECT) == value


def test_a_path_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(PathError, match=r"from '\.\.b' on"):
        compile_path(".a..b")


def test_every_printer_column_can_be_read() -> None:
    paths = [
        column["jsonPath"]
        for crd in crds.load()
        for version in crd["spec"]["versions"]
        for column in version["additionalPrinterColumns"]
    ]
    assert len(paths) > 20
    for path in paths:
        compile_path(path)({})
