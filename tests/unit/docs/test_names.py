"""Names in backticks are ones that the code has: settings, fields, units."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest
from crd_fields import crd_fields, field_kinds
from pages import inline_code, name_of, pages, tracked_files

from flotta.settings.table import CONTROL_PLANE, PROGRAMS, ROLES

VARIABLE = re.compile(r"^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$")
INPUT = re.compile(r"^(operator|device|programs|local_hosts)_[a-z0-9_.]+$")
FIELD = re.compile(r"^(?:(Edge\w+|PlaybookExecution)\.)?((?:spec|status)(?:\.\w+(?:\[\w*\])?)+)$")
UNIT = re.compile(r"^flotta-[a-z0-9-]+\.service$")
WORD = re.compile(r"[\w-]+")
# Fields of other systems, and those that earlier releases had.
FOREIGN_FIELDS = (
    "spec.bucketName",
    "spec.storageClassName",
    "status.phase",
    "spec.additionalConfig",
    "spec.data.paths",
    "spec.edgePlaybook.timeoutSeconds",
    "spec.nodeName",  # these three are fields of Kubernetes' Pod
    "status.hostIP",
    "status.podIP",
)


def known_variables() -> set[str]:
    settings = [*CONTROL_PLANE, *(item for program in PROGRAMS.values() for item in program)]
    return {setting.variable for setting in settings}


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_variables_exist(page: Path) -> None:
    for code in inline_code(page):
        word = code.partition("=")[0]
        if VARIABLE.match(word) and word != "UPPER_CASE" and word not in known_variables():
            assert occurs(word), code


def occurs(word: str) -> bool:
    """Tell whether code, and not only documentation, has the word."""
    return word in words_of_code()


@functools.cache
def words_of_code() -> set[str]:
    own = Path(__file__).parent
    code = [path for path in tracked_files() if path.suffix != ".md" and path.parent != own]
    return {word for path in code for word in WORD.findall(path.read_text(errors="replace"))}


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_inputs_of_roles_exist(page: Path) -> None:
    known = {setting.role_input for settings in ROLES.values() for setting in settings}
    for code in inline_code(page):
        word = re.split(r"[=:]", code)[0]
        if INPUT.match(word) and word not in known:
            assert occurs(word), code


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_fields_exist(page: Path) -> None:
    for code in inline_code(page):
        match = FIELD.match(code.split("=")[0])
        if match and match[2] not in FOREIGN_FIELDS:
            kinds = [match[1]] if match[1] else sorted(field_kinds())
            path = re.sub(r"\[\w*\]", "", match[2]).replace(".KEY", ".*")
            assert any(f"{kind}.{path}" in crd_fields() for kind in kinds), code


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_units_exist(page: Path) -> None:
    for code in inline_code(page):
        if UNIT.match(code):
            assert occurs(code.removesuffix(".service")), code
