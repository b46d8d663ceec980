"""The modules crds and operator: what they hand to the installation, and what they return of it."""

from __future__ import annotations

from typing import Any

import pytest
from memory_client import MemoryClient
from module_run import loaded, run

from flotta.installation.crds import CrdOutcome
from flotta.installation.diff import ObjectChange
from flotta.installation.install import InstallOutcome
from flotta.installation.settings import Installation
from flotta.installation.uninstall import UninstallOutcome

CHANGE = ObjectChange("Deployment flotta/flotta-operator", None, {"kind": "Deployment"})


class Recorder:
    """A step of the installation that notes what it was asked for."""

    def __init__(self, found: object) -> None:
        self.found = found
        self.asked: tuple[Any, ...] = ()
        self.options: dict[str, Any] = {}

    async def __call__(self, client: object, *asked: Any, **options: Any) -> object:
        self.asked, self.options = asked, options
        return self.found


@pytest.fixture
def kinds(client: MemoryClient, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Return what brings the kinds there, or takes them away."""
    recorder = Recorder(CrdOutcome([CHANGE], ["edgedevices"], "2", "1"))
    monkeypatch.setattr(loaded("crds"), "install_crds", recorder)
    monkeypatch.setattr(loaded("crds"), "remove_crds", recorder)
    return recorder


@pytest.fixture
def installed(client: MemoryClient, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Return what installs the control plane."""
    found = InstallOutcome([], "edge:443", ("edge",), "v1.36", "2", "new", "1", "old", ["look out"])
    recorder = Recorder(found)
    monkeypatch.setattr(loaded("operator"), "Client", client)
    monkeypatch.setattr(loaded("operator"), "install", recorder)
    return recorder


@pytest.fixture
def uninstalled(client: MemoryClient, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Return what removes it."""
    recorder = Recorder(UninstallOutcome([CHANGE], ["Namespace flotta"], [], "1"))
    monkeypatch.setattr(loaded("operator"), "Client", client)
    monkeypatch.setattr(loaded("operator"), "uninstall", recorder)
    return recorder


def test_kinds_are_brought_and_waited_for(kinds: Recorder) -> None:
    answer = run("crds")
    assert kinds.options == {"check_mode": False, "force": False, "wait_timeout": 120}
    assert answer["diff"] == [CHANGE.as_ansible_diff()]
    about = (answer["changed"], answer["crds"], answer["version"], answer["previous_version"])
    assert about == (True, ["edgedevices"], "2", "1")


def test_kinds_in_check_mode_and_without_waiting(kinds: Recorder) -> None:
    run("crds", check_mode=True, wait=False)
    assert (kinds.options["check_mode"], kinds.options["wait_timeout"]) == (True, 0)


def test_removal_of_kinds_is_always_waited_for(kinds: Recorder) -> None:
    run("crds", state="absent", wait=False, force=True, wait_timeout=7)
    assert kinds.options == {"check_mode": False, "force": True, "wait_timeout": 7}


def test_the_defaults_of_the_module_are_those_of_the_installation(installed: Recorder) -> None:
    answer = run("operator")
    assert installed.asked == (Installation(),)
    assert installed.options == {"check_mode": False, "wait_timeout": 300}
    assert (answer["changed"], answer["endpoint"]) == (False, "edge:443")
    assert answer["versions"] == {
        "cluster": "v1.36",
        "installed": "2",
        "image": "new",
        "previous": "1",
        "previous_image": "old",
    }
    assert "look out" in str(answer["warnings"])


def test_parts_of_the_installation_are_read_whole(installed: Recorder) -> None:
    s3 = {"device_endpoint": "https://s3.example:9000", "shared_keys": True}
    run("operator", check_mode=True, wait=False, s3=s3, server_names=["edge.example"])
    (wanted,) = installed.asked
    assert wanted.s3.device_endpoint == "https://s3.example:9000"
    assert wanted.server_names == ("edge.example",)
    assert installed.options == {"check_mode": True, "wait_timeout": 0}


def test_removal_says_what_was_kept(uninstalled: Recorder) -> None:
    answer = run("operator", state="absent", namespace="edge", delete_data=True)
    assert uninstalled.asked == ("edge",)
    assert uninstalled.options == {
        "components": ["edge_api", "operator"],
        "delete_data": True,
        "check_mode": False,
        "wait_timeout": 300,
    }
    assert (answer["kept"], answer["changed"]) == (["Namespace flotta"], True)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"service_type": "Public"}, "service_type"),
        ({"log_level": "loud"}, "log_level"),
        ({"ingress": {}}, "host"),
        ({"node_port": "many"}, "node_port"),
        ({"s3": {"colour": "red"}}, "colour"),
    ],
)
def test_wrong_parameters_are_named(installed: Recorder, wrong: dict[str, Any], named: str) -> None:
    answer = run("operator", **wrong)
    assert answer["failed"]
    assert named in answer["msg"]
    assert installed.asked == ()
