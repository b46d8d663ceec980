"""`flotta device` for several devices, of which some cannot be changed."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from operator_objects import device

from flotta.cli.commands import device as command
from flotta.merge_patch import apply_merge_patch
from flotta.resources.errors import ApiError, Forbidden, Invalid
from flotta.resources.kinds import EDGE_DEVICE

Object = dict[str, Any]


class Fleet:
    """A resource API with two devices; the one named `stuck` cannot be changed."""

    def __init__(self) -> None:
        self.devices = {name: device(name) for name in ("stuck", "till-1")}
        self.refusal: ApiError = Invalid(422, "Invalid", "spec.mounts is not what it must be")

    async def get(self, kind: object, name: str, namespace: str) -> Object:
        return self.devices[name]

    async def get_or_none(self, kind: object, name: str, namespace: str) -> Object | None:
        return self.devices.get(name) if kind is EDGE_DEVICE else None

    async def merge_patch(self, kind: object, name: str, namespace: str, patch: Object) -> Object:
        if name == "stuck":
            raise self.refusal
        new: Object = apply_merge_patch(self.devices[name], patch)
        self.devices[name] = new
        return new


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Fleet:
    fleet = Fleet()

    def run_connected(_: Namespace, work: Callable[[Fleet], Coroutine[None, None, str]]) -> str:
        return asyncio.run(work(fleet))

    monkeypatch.setattr(command, "run_connected", run_connected)
    monkeypatch.setattr(command, "REPORT_TIMEOUT", 0.0)
    return fleet


def options(action: str, *names: str) -> Namespace:
    return Namespace(action=action, name=list(names), namespace="default", pods="Stop", reason="")


def test_one_that_cannot_be_changed_does_not_keep_the_others_in(fleet: Fleet) -> None:
    with pytest.raises(ValueError, match=r"stuck: .*spec\.mounts.* run it again") as failed:
        command.run(options("quarantine", "stuck", "till-1"))

    lines = str(failed.value).splitlines()
    assert "default/till-1 is quarantined." in lines[1]  # with its report, before what failed
    assert "The operator has not reported yet" in lines[2]
    assert fleet.devices["till-1"]["spec"]["quarantine"]["pods"] == "Stop"


def test_a_name_that_does_not_exist_changes_none(fleet: Fleet) -> None:
    with pytest.raises(ValueError, match="there is no device nobody in namespace default"):
        command.run(options("quarantine", "till-1", "nobody"))

    assert "quarantine" not in fleet.devices["till-1"]["spec"]


def test_an_operator_that_does_not_report_is_said_and_not_waited_for(fleet: Fleet) -> None:
    text = command.run(options("quarantine", "till-1"))

    assert text.splitlines()[0] == "default/till-1 is quarantined."
    assert "The operator has not reported yet which keys are revoked" in text


def test_a_release_says_what_was_not_quarantined(fleet: Fleet) -> None:
    assert "nothing changed" in command.run(options("release", "till-1"))
    command.run(options("quarantine", "till-1"))

    assert "is released" in command.run(options("release", "till-1"))
    assert "quarantine" not in fleet.devices["till-1"]["spec"]


def test_a_release_that_is_forbidden_for_one_says_so_after_what_was_released(fleet: Fleet) -> None:
    for name in fleet.devices:
        fleet.devices[name]["spec"]["quarantine"] = {"pods": "Stop"}
    fleet.refusal = Forbidden(403, "Forbidden", "edgedevices is forbidden")
    with pytest.raises(ValueError, match="stuck: the user of the kubeconfig is not allo") as failed:
        command.run(options("release", "till-1", "stuck"))

    assert "default/till-1 is released" in str(failed.value).splitlines()[1]
    assert "default/stuck is released" not in str(failed.value)
