"""The embedded engine as a program that checks all of an object, like Kubernetes before 1.30."""

from __future__ import annotations

from typing import Any

from flotta.apiserver.schema.structural import StructuralSchema
from flotta.cli import apiserver

admit_update = StructuralSchema.admit


def admit_as_new(
    schema: StructuralSchema, obj: Any, subresource: str = "", earlier: Any = (), _old: Any = None
) -> Any:
    return admit_update(schema, obj, subresource, earlier)


if __name__ == "__main__":
    StructuralSchema.admit = admit_as_new  # type: ignore[method-assign]
    apiserver.main()
