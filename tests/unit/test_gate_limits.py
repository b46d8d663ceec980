"""How many connections the descriptors of a process allow, and the units that give them."""

from __future__ import annotations

import re
import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from flotta.serving import descriptors
from flotta.serving.limits import Limits

ROLE = Path(__file__).parents[2] / "collections/ansible_collections/flotta/edge/roles/operator"


@pytest.mark.parametrize(
    ("limits", "raised"),
    [
        ((1024, 524288), 524288),
        ((1024, 1024), 1024),
        ((1024, resource.RLIM_INFINITY), descriptors.MOST),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), descriptors.MOST),
    ],
)
def test_the_soft_limit_is_raised_to_the_hard_one(
    limits: tuple[int, int], raised: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [limits]
    monkeypatch.setattr(resource, "getrlimit", lambda _: now[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: now.append(new))

    assert descriptors.raise_limit() == raised
    assert now[-1][0] in (raised, resource.RLIM_INFINITY)
    assert now[-1][1] == limits[1]


def test_descriptors_are_kept_for_ourselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "raise_limit", lambda: 20_000)
    assert 19_000 < Limits.of_descriptors().total <= 20_000 - descriptors.RESERVED

    monkeypatch.setattr(descriptors, "raise_limit", lambda: 400)
    few = Limits.of_descriptors()
    assert 0 < few.total <= 300
    assert few.handshakes == few.total // 2
    assert Limits.of_descriptors(10).total == 10


@pytest.mark.parametrize(
    ("written", "most"), [("max", 20_000), (str(512 * 2**20), 7_021), (str(100 * 2**20), 914)]
)
def test_memory_that_is_limited_limits_connections(
    written: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Path("/proc/self/cgroup").read_text().strip().rpartition("0::")[2].lstrip("/")
    (tmp_path / own).mkdir(parents=True, exist_ok=True)
    (tmp_path / own / "memory.max").write_text(written + "\n")
    monkeypatch.setattr(descriptors, "CGROUPS", tmp_path)
    monkeypatch.setattr(descriptors, "raise_limit", lambda: 20_000)

    total = Limits.of_descriptors().total
    assert total == most or (written == "max" and 19_000 < total < most)


def services() -> list[dict[str, Any]]:
    found = yaml.safe_load((ROLE / "vars/main.yml").read_text())["__operator_services"]
    return list(found)


@pytest.mark.parametrize("service", services(), ids=lambda service: service["name"])
def test_every_unit_has_descriptors_for_a_fleet(service: Mapping[str, Any]) -> None:
    unit = _render(service)

    assert "LimitNOFILE=524288" in unit
    assert ("MemoryMax=" in unit and "TasksMax=" in unit) == (service["name"] == "flotta-s3")


def _render(service: Mapping[str, Any]) -> list[str]:
    environment = jinja2.Environment(autoescape=False, trim_blocks=True)  # noqa: S701 - a unit
    environment.filters["comment"] = lambda text: f"# {text}"
    environment.filters["regex_replace"] = lambda text, old, new: re.sub(old, new, text)
    template = environment.from_string((ROLE / "templates/service.j2").read_text())
    lines = template.render(
        service=service, ansible_managed="", __operator_programs=""
    ).splitlines()
    return [
        line.partition("=")[0] + "=" if line.startswith(("MemoryMax", "TasksMax")) else line
        for line in lines
    ]
