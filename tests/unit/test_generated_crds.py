"""The committed CRDs are what their sources say."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.append(str(Path(__file__).parents[2] / "scripts"))
import crd_module
from schema_keywords import check_kind, check_shared

from flotta.resources import crd_files, crds, kinds

SCRIPT = Path(__file__).parents[2] / "scripts/generate_crds.py"


def _podspec_is_at_hand() -> bool:
    if shutil.which("go") is None:
        return False
    cache = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True)
    return any(Path(cache.stdout.strip()).glob("k8s.io/kubernetes@v*/api/openapi-spec"))


def _check(*options: str) -> None:
    command = [sys.executable, SCRIPT, "--check", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_committed_crds_are_the_generated_ones() -> None:
    _check()


@pytest.mark.skipif(
    not _podspec_is_at_hand(), reason="needs k8s.io/kubernetes in the Go module cache"
)
def test_the_committed_schemas_are_those_of_kubernetes() -> None:
    _check("--kubernetes")


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ("{type: string, description: A name, as given.}", "spec.as given."),
        ("{type: object, properties: {a: {typ: string}}}", "spec.properties.a.typ"),
        ("{type: array, items: {minimun: 1}}", "spec.items.minimun"),
        ("{additionalProperties: {anyOf: [{typ: string}]}}", "additionalProperties.anyOf[0].typ"),
        ("{type: object, properties: {a: }}", "spec.properties.a must be a schema"),
    ],
)
def test_an_unknown_keyword_of_a_schema_is_refused(schema: str, named: str) -> None:
    source = yaml.safe_load(f"{{columns: [], status: {{}}, spec: {schema}}}")
    with pytest.raises(ValueError, match=r"^x\.yaml: .*\.$") as raised:
        check_kind(source, "x.yaml")
    assert named in str(raised.value)


def test_an_unknown_key_of_a_column_and_of_a_kind_is_refused() -> None:
    source = {"columns": [{"jsonPath": ".a"}], "spec": {}, "status": {}, "scope": "Cluster"}
    with pytest.raises(ValueError, match=r"(?s): scope is .*\n.*columns\[0\]\.jsonPath"):
        check_kind(source, "x.yaml")


def test_an_unknown_keyword_of_a_shared_schema_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shared\.yaml: Time\.typ is"):
        check_shared({"Time": {"typ": "string"}}, "shared.yaml")


def test_the_crds_serve_the_known_kinds() -> None:
    served = {
        (crd["spec"]["group"], crd["spec"]["names"]["plural"], crd["spec"]["names"]["kind"])
        for crd in crds.load()
    }
    groups = (kinds.GROUP, "objectbucket.io")
    assert served == {(k.group, k.plural, k.kind) for k in kinds.ALL if k.group in groups}


def test_no_field_escapes_the_schema() -> None:
    for crd in crds.load():
        text = yaml.safe_dump(crd)
        assert "x-kubernetes-preserve-unknown-fields" not in text
        assert "$ref" not in text


def test_every_kind_has_a_status_and_columns() -> None:
    for crd in crds.load():
        (version,) = crd["spec"]["versions"]
        assert version["subresources"] == {"status": {}}
        assert [column["name"] for column in version["additionalPrinterColumns"]][-1] == "Age"


def test_plugins_of_the_collection_carry_the_same_crds() -> None:
    text = crd_module.render()
    carried: dict[str, Any] = {}
    exec(text, carried)  # noqa: S102 - that is what a plugin does
    names = crd_files.list_crds()
    assert carried["list_crds"]() == names
    assert [carried["read_crd"](name) for name in names] == crds.load()
    with pytest.raises(OSError, match="there is no CRD pod"):
        carried["read_crd"]("pod")
    assert max(map(len, text.splitlines())) <= 160  # ansible-test
