"""What modules write to the journal of the host: no secret, in whatever structure it arrives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import basic
from module_run import COLLECTIONS, loaded, run

MODULES = sorted(
    path.stem
    for path in (COLLECTIONS / "ansible_collections/flotta/edge/plugins/modules").iterdir()
    if path.suffix == ".py"
)
SECRET = '-----BEGIN KEY-----\nit\'s "top" \\ secret\n'  # with all that Python escapes


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda _, line, **__: lines.append(line))
    return lines


def test_content_of_files_is_not_in_the_journal_and_their_paths_are(
    tmp_path: Path, journal: list[str]
) -> None:
    path = str(tmp_path / "key.pem")
    run("configuration_files", check_mode=True, files=[{"path": path, "content": SECRET}])
    (line,) = journal
    assert "secret" not in line
    assert path in line


def test_secret_key_of_the_object_storage_is_not_in_the_journal(journal: list[str]) -> None:
    run("operator", check_mode=True, s3={"access_key": "AKIA", "secret_key": SECRET})
    (line,) = journal
    assert "secret\n" not in line.replace("\\n", "\n")
    assert "AKIA" in line


def secrets_within(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the options with `no_log` inside lists and dictionaries."""
    for option in options.values():
        for name, inner in option.get("options", {}).items():
            if inner.get("no_log"):
                yield name
        yield from secrets_within(option.get("options", {}))


@pytest.mark.parametrize("name", MODULES)
def test_module_with_secrets_inside_of_parameters_hides_them(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SpecFound(Exception):
        pass

    def note(self: basic.AnsibleModule, argument_spec: Mapping[str, Any], **_: object) -> None:
        classes = [class_.__name__ for class_ in type(self).mro()]
        raise SpecFound(classes, list(secrets_within(argument_spec)))

    monkeypatch.setattr(basic.AnsibleModule, "__init__", note)
    with pytest.raises(SpecFound) as found:
        loaded(name).main()
    classes, secrets = found.value.args
    assert ("SecretsModule" in classes) is bool(secrets)
