"""The module device_image: what it decides without a build."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
from module_run import run

from flotta.images.base_record import AREA, AREA_SIZE, PATH, BaseRecord, dump_record
from flotta.images.build import base_image
from flotta.images.build.architectures import AMD64
from flotta.images.build.base_image import plan_build
from flotta.images.build.request import BaseRequest
from flotta.images.build.suites import BOOKWORM
from flotta.images.build.wheelhouse import EXTRAS
from small_iso import make_iso


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(base_image, "TOOLS", ())
    house = tmp_path / "wheels"
    house.mkdir()
    with zipfile.ZipFile(house / "flotta_edge-0.2.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("flotta/x.py", "")
    for extra in EXTRAS:
        (house / f"{extra}.txt").write_text("")
    return {"dest": str(tmp_path / "base.iso"), "wheelhouse": str(house)}


def test_check_mode_predicts_and_writes_nothing(given: dict[str, Any], tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    answer = run("device_image", check_mode=True, **given)
    assert answer["changed"]
    assert answer["diff"]["before"] == {}
    assert answer["diff"]["after"]["release"] == "0.2.0"
    assert sorted(tmp_path.rglob("*")) == before


def test_an_image_that_is_as_it_is_to_be_stays(given: dict[str, Any]) -> None:
    dest = Path(given["dest"])
    request = BaseRequest(BOOKWORM, AMD64, Path(given["wheelhouse"]), dest)
    record = BaseRecord(
        format=1,
        kind="flotta-live",
        release="0.2.0",
        suite="bookworm",
        architecture="amd64",
        content_id="0" * 64,
        inputs=plan_build(request).inputs,
        packages={"podman": "4.3.1"},
    )
    make_iso(dest, {PATH: dump_record(record), AREA: bytes(AREA_SIZE)})
    answer = run("device_image", **given)
    assert not answer["changed"]
    assert answer["image"]["packages"] == {"podman": "4.3.1"}
    assert answer["image"]["size"] == dest.stat().st_size
    changed = run("device_image", check_mode=True, packages=["curl"], **given)
    assert changed["diff"]["before"]["content_id"] == "0" * 64


def test_a_refusal_has_its_reason(given: dict[str, Any]) -> None:
    answer = run("device_image", **{**given, "wheelhouse": "/nonexistent"})
    assert answer["failed"]
    assert answer["reason"] == "InvalidSettings"
    Path(given["dest"]).write_text("mine")
    assert run("device_image", check_mode=True, **given)["reason"] == "DestinationForeign"
