"""The manifests under examples/ are accepted as they are."""

from __future__ import annotations

from pathlib import Path

import yaml

from crd_schemas import schemas_by_kind
from flotta.apiserver.schema.structural import StructuralSchema

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_every_example_is_accepted_without_an_unknown_field() -> None:
    manifests = [
        manifest
        for path in EXAMPLES.glob("*/*.yaml")
        for manifest in yaml.safe_load_all(path.read_text())
    ]
    assert manifests
    for manifest in manifests:
        admission = StructuralSchema(schemas_by_kind()[manifest["kind"]]).admit(manifest)
        assert (admission.unknown, admission.causes) == ([], [])
