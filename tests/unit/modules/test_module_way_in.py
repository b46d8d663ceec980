"""What every module that talks to the resource API says when it cannot."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import cryptography
import pytest
from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.errors import (
    ApiError,
    Forbidden,
    Unreachable,
)
from memory_client import MemoryClient
from module_run import loaded, run, started

REQUIRED = {
    "crds": {},
    "edge_device": {"name": "till-1"},
    "edge_device_info": {},
    "edge_device_set": {"name": "north"},
    "edge_workload": {"name": "web", "spec": {"type": "pod"}},
    "edge_workload_info": {},
    "operator": {},
    "registration_certificate": {},
}
of_the_api = pytest.mark.parametrize("module", REQUIRED)
without_the_wheel = pytest.mark.parametrize("module", sorted({*REQUIRED} - {"operator"}))


@of_the_api
def test_a_kubeconfig_that_is_not_there_is_named(module: str) -> None:
    answer = run(module, kubeconfig="/nowhere", **REQUIRED[module])
    assert answer["failed"]
    assert answer["msg"] == (
        "There is no kubeconfig /nowhere on this machine; "
        "set kubeconfig to the file that kubectl uses."
    )


@of_the_api
def test_without_any_kubeconfig_the_places_for_one_are_named(
    module: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    own = tmp_path / "admin.kubeconfig"
    monkeypatch.setattr(loaded(module).api, "LOCAL_KUBECONFIG", own)
    message = run(module, **REQUIRED[module])["msg"]
    assert "There is no kubeconfig: set the option kubeconfig" in message
    assert f"has {own}, which only root may read" in message


def test_the_administrator_of_an_embedded_control_plane_is_the_last_choice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    api = loaded("edge_workload").api
    nothing = api.Connection(None, None)
    own, usual = tmp_path / "admin.kubeconfig", tmp_path / ".kube/config"
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(api, "LOCAL_KUBECONFIG", own)
    own.touch()
    assert api.find_kubeconfig(nothing) == str(own)
    usual.parent.mkdir()
    usual.touch()
    assert api.find_kubeconfig(nothing) == str(usual)
    assert api.find_kubeconfig(api.Connection(str(own), None)) == str(own)


@without_the_wheel
@pytest.mark.parametrize("gone", [("kubernetes",), ("urllib3", "kubernetes"), ("yaml",)])
def test_without_the_package_kubernetes_the_python_that_needs_it_is_named(
    module: str, gone: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    api = loaded(module).api
    for name in gone:
        monkeypatch.setitem(sys.modules, name, None)
    transport = "ansible_collections.flotta.edge.plugins.module_utils._transport"
    monkeypatch.delitem(sys.modules, transport)
    errors = runpy.run_module(transport)["import_errors"]
    monkeypatch.setattr(api, "import_errors", errors)
    monkeypatch.setattr(api.programs, "find_python", lambda *_: None)
    answer = run(module, **REQUIRED[module])
    assert answer["failed"]
    assert f"kubernetes is not installed for {sys.executable}." in answer["msg"]
    assert "-m pip install 'kubernetes'" in answer["msg"]


@pytest.mark.parametrize(
    ("module", "given"),
    [
        ("edge_device", {"name": "d1", "spec": {"heartbeat": {"period_seconds": 31}}}),
        ("edge_device_set", {"name": "s1", "spec": {"heartbeat": {"periodSeconds": None}}}),
        ("edge_workload", {"name": "w1", "spec": {"data": {"retention": None}}}),
    ],
)
def test_old_names_and_null_wait_for_a_python_that_knows_them(
    module: str, given: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    api = loaded(module).api
    monkeypatch.setattr(api, "import_errors", [ModuleNotFoundError("no", name="kubernetes")])
    monkeypatch.setattr(api.programs, "find_python", lambda *_: "/programs/python")

    def continued(python: str) -> None:
        raise SystemExit(f"continued in {python}")

    monkeypatch.setattr(api.programs, "respawn_module", continued)
    with pytest.raises(SystemExit, match="continued in /programs/python"):
        started(module, **given)


@pytest.mark.parametrize("version", ["38.0.4", "41.0.7", "42.0.0"])
def test_cryptography_of_a_distribution_that_is_too_old_is_named(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cryptography, "__version__", version)
    package = "ansible_collections.flotta.edge.plugins.module_utils._cryptography"
    monkeypatch.delitem(sys.modules, package, raising=False)
    errors = runpy.run_module(package)["import_errors"]
    assert [error.name for error in errors] == ["cryptography>=42"] * (version < "42")


@pytest.mark.parametrize(
    "module", ["registration_certificate", "registration_certificate_info", "server_certificate"]
)
def test_a_module_that_reads_certificates_looks_for_cryptography(module: str) -> None:
    assert loaded(module)._cryptography.OLDEST == 42


@without_the_wheel
def test_a_python_that_is_too_old_is_named(
    module: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    api = loaded(module).api
    monkeypatch.setattr(api, "import_errors", [SyntaxError("invalid syntax")])
    monkeypatch.setattr(api.programs, "find_python", lambda *_: None)
    monkeypatch.setattr(api.sys, "version_info", (3, 9))
    answer = run(module, **REQUIRED[module])
    assert answer["msg"].startswith(f"{sys.executable} is older than Python 3.11")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ModuleNotFoundError("No module named 'flotta'", name="flotta"), "is not installed on"),
        (
            ImportError("cannot import name 'x' from 'flotta.migration.manifests'"),
            "or of another release than this collection (cannot import",
        ),
    ],
)
def test_without_its_programs_the_operator_says_what_installs_them(
    error: ImportError, sentence: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = loaded("operator")
    monkeypatch.setattr(module, "import_errors", [error])
    monkeypatch.setattr(module.programs, "find_python", lambda *_: None)
    answer = run("operator")
    assert answer["failed"]
    assert sentence in answer["msg"]
    assert "flotta.edge.programs" in answer["msg"]


@of_the_api
def test_an_unknown_parameter_is_refused(module: str) -> None:
    answer = run(module, colour="red", **REQUIRED[module])
    assert answer["failed"]
    assert "colour" in answer["msg"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (Unreachable(0, "Unreachable", "refused"), "The resource API does not answer: refused."),
        (ApiError(401, "Unauthorized", "who?"), "does not accept the user of here (context edge)"),
        (
            Forbidden(403, "Forbidden", "no get"),
            "user of here (context edge) does not have the permission: no get",
        ),
        (
            ApiError(422, "Invalid", "spec.x: no"),
            "The resource API refused the request: spec.x: no",
        ),
    ],
)
def test_an_answer_that_is_no_success_is_explained(error: ApiError, sentence: str) -> None:
    api = loaded("crds").api
    assert sentence in api.describe_error(error, api.Connection("here", "edge"))


def test_a_refused_connection_names_the_input_for_other_addresses() -> None:
    api = loaded("crds").api
    error = Unreachable(0, "Unreachable", "no response")
    connection = api.Connection("here", "")
    assert "operator_resource_api_listen" not in api.describe_error(error, connection)
    error.__cause__ = ConnectionRefusedError()
    assert "operator_resource_api_listen" in api.describe_error(error, connection)


def test_the_reason_of_a_refusal_is_returned(
    client: MemoryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise Forbidden(403, "Forbidden", "no list")

    monkeypatch.setattr(client, "list", refuse)
    answer = run("edge_device_info")
    assert (answer["failed"], answer["reason"]) == (True, "Forbidden")
