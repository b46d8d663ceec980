"""The options of modules that take a spec are those of the CRDs, checked and documented alike."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.append(str(Path(__file__).parents[2] / "scripts"))
sys.path.append(str(Path(__file__).parents[2] / "collections"))
from ansible_collections.flotta.edge.plugins.doc_fragments import (
    device_settings,
    workload_settings,
)
from ansible_collections.flotta.edge.plugins.module_utils import _options
from module_options import Fields

SCRIPT = Path(__file__).parents[2] / "scripts/generate_module_options.py"
PARTS = (
    (_options.DEVICE_SETTINGS, device_settings.ModuleDocFragment.DOCUMENTATION),
    (_options.WORKLOAD_SETTINGS, workload_settings.ModuleDocFragment.DOCUMENTATION),
)


def walked(options: Mapping[str, Any], below: str) -> Iterator[tuple[str, Any]]:
    """Yield path and facts of each option; `below` is the word for what it contains."""
    for name, option in options.items():
        yield name, {key: option[key] for key in option.keys() - {below, "description", "no_log"}}
        yield from (
            (f"{name}.{path}", facts) for path, facts in walked(option.get(below, {}), below)
        )


def test_the_committed_files_are_the_generated_ones() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_is_checked_is_what_is_documented() -> None:
    for options, text in PARTS:
        documented = yaml.safe_load(text)["options"]["spec"]["suboptions"]
        assert dict(walked(options, "options")) == dict(walked(documented, "suboptions"))


def test_no_option_has_a_default_that_ansible_would_send() -> None:
    assert not [
        path
        for options, _ in PARTS
        for path, facts in walked(options, "options")
        if "default" in facts
    ]


def made(**field: Any) -> dict[str, Any]:
    """Return the documentation of a field of a spec, and what is checked, in one."""
    schema = {"properties": {"field": {"description": "A `x` field.", **field}}}
    option = Fields({}, {}).options_of(schema)["field"]
    return {**option.documentation, **option.argument}


@pytest.mark.parametrize(
    ("schema", "option"),
    [
        ({"type": "integer", "minimum": 2, "default": 3}, {"type": "int"}),
        ({"type": "string", "enum": ["x", "y"]}, {"type": "str", "choices": ["x", "y"]}),
        ({"type": "array", "items": {"type": "number"}}, {"type": "list", "elements": "float"}),
        ({"type": "object", "additionalProperties": {"type": "string"}}, {"type": "dict"}),
    ],
)
def test_a_field_becomes_an_option(schema: dict[str, Any], option: dict[str, Any]) -> None:
    assert {key: value for key, value in made(**schema).items() if key != "description"} == option


def test_texts_are_in_the_markup_of_ansible() -> None:
    assert made(type="string")["description"] == ["A C(x) field."]
    assert made(type="string", enum=["x"])["description"] == ["A V(x) field."]
    limited = made(type="integer", minimum=2, default=3)["description"]
    assert limited == ["A C(x) field.", "When omitted, the API sets V(3).", "At least V(2)."]
    rules = [{"message": "otherField needs more"}, {"message": "keys are names"}]
    ruled = made(type="string", **{"x-kubernetes-validations": rules})["description"]
    assert ruled[1:] == ["C(otherField) needs more.", "Keys are names."]


def test_a_field_that_others_name_is_linked() -> None:
    values = {
        "type": "object",
        "properties": {"aField": {"type": "string", "description": "aField."}},
    }
    fields = {
        "a": {**values, "description": "See aField."},
        "b": {"type": "string", "description": "Not aField."},
    }
    options = Fields({}, {}).options_of({"properties": fields})
    assert options["a"].description == ["See O(spec.a.aField)."]
    assert options["a"].options["aField"].description == ["C(aField)."]


@pytest.mark.parametrize(
    ("schema", "sentence"),
    [
        (
            {"x-kubernetes-int-or-string": True},
            "spec.field: an option has no form for x-kubernetes-int",
        ),
        ({"type": "string", "description": ""}, "spec.field has no description"),
        ({"type": "string", "description": "Or B(x)."}, "spec.field: Ansible takes a part"),
        ({"type": "string", "description": "`f()`"}, "spec.field: C() cannot have"),
    ],
)
def test_what_has_no_form_in_an_option_stops_the_generator(
    schema: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        made(**schema)
    assert str(raised.value).startswith(sentence)
