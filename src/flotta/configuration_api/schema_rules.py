"""What a workload must be by the schema that it has as an EdgeWorkload: types, required fields.

No sentence repeats a value: values may be secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from flotta.apiserver.schema.structural import StructuralSchema
from flotta.resources.crds import load_crd

POD = "spec.pod.spec"
DATA = "spec.data"
EXPECTED = re.compile(r"must be of type ([a-z0-9-]+)(?=:|$)")


def find_violations(pod: object, data: object, path: str) -> Iterator[str]:
    """Yield a sentence for each violation in a PodSpec and the `data` of the workload at `path`."""
    workload = {"spec": {"type": "pod", "pod": {"spec": pod}, "data": data}}
    for cause in _schema().admit(workload).causes:
        for prefix, field in ((POD, "specification"), (DATA, "data")):
            if f"{cause.field}.".startswith(f"{prefix}."):
                place = cause.field.removeprefix(prefix)
                yield f"{path}.{field}{place}: {_describe(cause.reason, cause.message)}"


@cache
def _schema() -> StructuralSchema:
    version = load_crd("EdgeWorkload")["spec"]["versions"][0]
    return StructuralSchema(version["schema"]["openAPIV3Schema"])


def _describe(reason: str, message: str) -> str:
    """Return what is wrong; of the message only what comes from the schema."""
    match reason:
        case "FieldValueRequired":
            return "it is missing"
        case "FieldValueDuplicate":
            return "an item before it has the same name"
        case "FieldValueNotSupported":
            return f"use one of {message.rpartition(': supported values: ')[2]}"
        case "FieldValueTypeInvalid" if found := EXPECTED.search(
            message.rpartition(" in body ")[2]
        ):
            return f"it must be of type {found[1]}"
    return "the schema does not allow this value"
