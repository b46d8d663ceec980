"""A setting is described once; programs, module, roles and documentation agree with it."""

from __future__ import annotations

import dataclasses
import importlib
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.append(str(Path(__file__).parents[3] / "scripts"))
sys.path.append(str(Path(__file__).parents[3] / "collections"))

import document_settings
from ansible_collections.flotta.edge.plugins.doc_fragments import connection
from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as resource_api
from ansible_collections.flotta.edge.plugins.modules import operator as operator_module
from role_inputs import ROLES_FOLDER, Option, flatten, read_inputs, to_markdown

from flotta.edge_api.settings import Settings as EdgeApiSettings
from flotta.gateway.settings import load_settings
from flotta.installation.settings import Installation
from flotta.operator.settings import Settings as OperatorSettings
from flotta.settings.device import GATEWAY_FILE
from flotta.settings.help import describe
from flotta.settings.installation import MANIFESTS
from flotta.settings.setting import Number, Setting
from flotta.settings.table import OPERATOR_MODULE, PROGRAMS, ROLES
from flotta.worker.settings import Settings as WorkerSettings

ROOT = Path(__file__).parents[3]
READ_ELSEWHERE = {"KUBECONFIG", "LOG_LEVEL", "YGG_CLIENT_ID"}


class Recorder(dict[str, Any]):
    """A dictionary that remembers what it was asked for."""

    def __init__(self, content: Mapping[str, object] = {}) -> None:
        super().__init__(content)
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:  # type: ignore[override]
        self.names.add(name)
        return super().get(name, default)


def variables(program: str) -> set[str]:
    settings = PROGRAMS[program]
    return {name for item in settings for name in (item.variable, item.alias) if name}


@pytest.mark.parametrize(
    ("program", "read"),
    [
        ("flotta-operator", OperatorSettings.from_environment),
        ("flotta-edge-api", EdgeApiSettings.from_environment),
        ("flotta-device-worker", WorkerSettings.from_environment),
    ],
)
def test_a_program_reads_the_variables_of_the_table(
    program: str, read: Callable[[Mapping[str, str]], object]
) -> None:
    environment = Recorder()
    read(environment)
    assert environment.names == variables(program) - READ_ELSEWHERE


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_help_of_a_program_says_what_the_table_says(
    program: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, *command = program.split()
    module = importlib.import_module(f"flotta.cli.{name.removeprefix('flotta-').replace('-', '_')}")
    monkeypatch.setattr(sys, "argv", [name, *command, "--help"])
    with pytest.raises(SystemExit):
        module.main()
    # argparse breaks lines after hyphens, too.
    printed = "".join(capsys.readouterr().out.split())
    for setting in PROGRAMS[program]:
        if setting.flag or not command:
            assert (setting.flag or setting.variable) in printed
            assert "".join(describe(setting).split()) in printed


@pytest.mark.parametrize("program", ["flotta-operator", "flotta-edge-api", "flotta-device-worker"])
def test_a_program_that_reads_only_its_environment_has_no_options(program: str) -> None:
    assert [setting.flag for setting in PROGRAMS[program] if setting.flag] == []


def test_the_gateway_reads_the_keys_of_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = Recorder({"server": "x", "client-id": "d", "cert-file": "/c", "key-file": "/k"})
    table["ca-root"] = ["/a"]
    monkeypatch.setattr(tomllib, "loads", lambda _: table)
    (tmp_path / "config.toml").write_text("")
    load_settings(tmp_path / "config.toml", tmp_path / "tags.toml")
    assert table.names == {setting.key for setting in GATEWAY_FILE}


def module_options() -> dict[str, Option]:
    def with_suboptions(options: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: {**option, "options": with_suboptions(option.get("suboptions", {}))}
            for name, option in options.items()
        }

    fragment = yaml.safe_load(connection.ModuleDocFragment.DOCUMENTATION)
    own = yaml.safe_load(operator_module.DOCUMENTATION)
    return dict(flatten(with_suboptions({**fragment["options"], **own["options"]})))


def differences(
    settings: Iterable[Setting[object]], name: str, found: Mapping[str, Option], default: str
) -> list[str]:
    """Say where options differ from the table; `name` and `default` are attributes of a setting."""
    wanted = {getattr(setting, name): setting for setting in settings}
    texts = [f"{item} is not in both" for item in wanted.keys() ^ found.keys()]
    for item, setting in wanted.items():
        option = found.get(item, {})
        value = getattr(setting, default)
        value = setting.default if value is ... else value
        # A default that follows from something else is a template in the role, and words here.
        follows = setting.default_help and name == "role_input"
        if not follows and (option.get("default") or None) != (as_yaml(value) or None):
            texts.append(f"{item} defaults to {option.get('default')!r}, not {value!r}")
        if option.get("type") != setting.ANSIBLE_TYPE and name == "option":
            texts.append(f"{item} is a {option.get('type')}")
        if option.get("choices", []) != list(setting.choices):
            texts.append(f"{item} has other choices")
        if not to_markdown(option).startswith(setting.help):
            texts.append(f"{item} is described as {to_markdown(option)!r}, not {setting.help!r}")
    return texts


def as_yaml(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def test_the_module_has_the_options_of_the_table() -> None:
    assert differences(OPERATOR_MODULE, "option", module_options(), "option_default") == []


def test_the_argument_spec_of_the_module_has_the_options_of_the_table() -> None:
    spec = dict(flatten({**resource_api.CONNECTION_SPEC, **operator_module.SETTINGS}))
    for setting in OPERATOR_MODULE:
        if setting.option in spec:
            value = setting.default if setting.option_default is ... else setting.option_default
            assert (spec[setting.option].get("default") or None) == (as_yaml(value) or None)
    assert spec.keys() <= {setting.option for setting in OPERATOR_MODULE}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_the_inputs_of_the_table(role: str) -> None:
    assert differences(ROLES[role], "role_input", dict(read_inputs(role)), "input_default") == []


def test_the_settings_of_an_installation_are_options_or_keys_of_its_file() -> None:
    keys = {setting.key for setting in MANIFESTS}
    options = {setting.option.partition(".")[0] for setting in OPERATOR_MODULE}
    fields = {item.name for item in dataclasses.fields(Installation)} - {"found_names"}
    assert fields <= keys | options
    assert keys <= fields


def test_the_role_writes_variables_of_the_table() -> None:
    role = yaml.safe_load((ROLES_FOLDER / "operator/vars/main.yml").read_text())
    for service in role["__operator_services"]:
        program = service["command"].split(" --")[0].strip()
        assert service["environment"].keys() <= variables(program), program


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_unit_is_named_in_the_sentence(program: str) -> None:
    for setting in PROGRAMS[program]:
        if isinstance(setting, Number) and setting.unit:
            assert setting.unit in setting.help.lower()


def test_the_rendered_documentation_is_up_to_date() -> None:
    stale = [
        path.name for path, text in document_settings.render().items() if path.read_text() != text
    ]
    assert stale == [], "run scripts/document_settings.py"


def test_the_script_names_what_is_out_of_date_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(document_settings.sys, "argv", ["document_settings.py", "--check"])
    assert document_settings.main() == 0
    before = document_settings.PAGE.read_text()
    monkeypatch.setattr(document_settings, "render_page", lambda: "another")
    assert document_settings.main() == 1
    assert capsys.readouterr().out == "docs/reference/settings.md was out of date\n"
    assert document_settings.PAGE.read_text() == before
