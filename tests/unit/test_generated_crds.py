"""The committed CRDs are what their sources say."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flotta.resources import crds, kinds

SCRIPT = Path(__file__).parents[2] / "scripts/generate_crds.py"


def _podspec_is_at_hand() -> bool:
    if shutil.which("go") is None:
        return False
    cache = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True)
    return any(Path(cache.stdout.strip()).glob("k8s.io/kubernetes@v*/api/openapi-spec"))


@pytest.mark.skipif(
    not _podspec_is_at_hand(), reason="needs k8s.io/kubernetes in the Go module cache"
)
def test_the_committed_crds_are_the_generated_ones() -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


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
