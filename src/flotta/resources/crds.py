"""The CustomResourceDefinitions that the package carries; scripts/generate_crds.py writes them."""

from __future__ import annotations

from importlib import resources
from typing import Any, Required, TypedDict

from flotta.resources.objects.meta import Condition, Resource
from flotta.yaml_loader import load_yaml


class CrdNames(TypedDict, total=False):
    """What a kind is called."""

    kind: Required[str]
    plural: Required[str]
    singular: str
    shortNames: list[str]
    categories: list[str]


class PrinterColumn(TypedDict, total=False):
    """A column of `kubectl get`."""

    name: Required[str]
    type: Required[str]
    jsonPath: Required[str]
    format: str
    description: str
    priority: int


class CrdSchema(TypedDict):
    """The schema of one version: OpenAPI v3, which the engine walks whatever it holds.

    Any: it is as deep and mixed as JSON, and the engine is made for JSON objects.
    """

    openAPIV3Schema: dict[str, Any]


class CrdVersion(TypedDict, total=False):
    """One version of a kind."""

    name: Required[str]
    served: bool
    storage: Required[bool]  # true of the one version in which objects are kept
    schema: CrdSchema
    subresources: dict[str, object]
    additionalPrinterColumns: list[PrinterColumn]


class CrdConversion(TypedDict, total=False):
    """How objects are converted between versions: None or Webhook."""

    strategy: str


class CrdSpec(TypedDict, total=False):
    """A kind: group, names, versions."""

    group: Required[str]
    names: Required[CrdNames]
    versions: Required[list[CrdVersion]]
    scope: str
    conversion: CrdConversion


class CrdStatus(TypedDict, total=False):
    """Whether a kind is served, and the versions in which objects may still be kept."""

    conditions: list[Condition]
    storedVersions: list[str]


class CustomResourceDefinition(Resource, total=False):
    """A CustomResourceDefinition (apiextensions.k8s.io/v1)."""

    spec: Required[CrdSpec]
    status: CrdStatus


def load() -> list[CustomResourceDefinition]:
    """Return every CRD as apiextensions.k8s.io/v1 object, in the order of their file names."""
    folder = resources.files("flotta.resources") / "crds"
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".yaml")),
        key=lambda file: file.name,
    )
    return [load_yaml(file.read_bytes()) for file in files]
