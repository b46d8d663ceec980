"""The manifests under examples/ are accepted as they are."""

from __future__ import annotations

from pathlib import Path

import yaml

from flotta.apiserver.schema.structural import StructuralSchema
from flotta.resources import crds

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_every_example_is_accepted_without_an_unknown_field() -> None:
    schemas = {
        crd["spec"]["names"]["kind"]: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for crd in crds.load()
    }
    manifests = [
        manifest
        for path in EXAMPLES.glob("*/*.yaml")
        for manifest in yaml.safe_load_all(path.read_text())
    ]
    assert manifests
    for manifest in manifests:
        admission = StructuralSchema(schemas[manifest["kind"]]).admit(manifest)
        assert (admission.unknown, admission.causes) == ([], [])
