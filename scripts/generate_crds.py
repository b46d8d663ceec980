"""Generate the CRDs in src/flotta/resources/crds, and schemas of core kinds for the engine.

The CRDs come from scripts/crds and Kubernetes' PodSpec (without descriptions), the core kinds and
metadata (with them) from the same document: `api/openapi-spec/swagger.json` of the Go module
`k8s.io/kubernetes`. Run it as `python scripts/generate_crds.py [--check]`; it needs `go` and the
module proxy (or a filled module cache).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml

Schema = dict[str, Any]

KUBERNETES = "v1.36.3"
GROUP = "management.project-flotta.io"
SOURCES = Path(__file__).parent / "crds"
PACKAGE = Path(__file__).parents[1] / "src/flotta"
TARGET = PACKAGE / "resources/crds"
CORE_TARGET = PACKAGE / "apiserver/schema/kubernetes.yaml"

DROPPED = {
    "description",
    "x-kubernetes-patch-merge-key",
    "x-kubernetes-patch-strategy",
    "x-kubernetes-unions",
}
QUANTITY = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
    r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
INT_OR_STRING: Schema = {
    "x-kubernetes-int-or-string": True,
    "anyOf": [{"type": "integer"}, {"type": "string"}],
}
TEXT_MAP: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
# Types whose swagger entry says less than a CRD must: what controller-gen writes for them.
REPLACED: dict[str, Schema] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {**INT_OR_STRING, "pattern": QUANTITY},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": INT_OR_STRING,
    "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": {
        "type": "object",
        "properties": {
            "annotations": TEXT_MAP,
            "finalizers": {"type": "array", "items": {"type": "string"}},
            "labels": TEXT_MAP,
            "name": {"type": "string"},
            "namespace": {"type": "string"},
        },
    },
}
PORT: Schema = {"minimum": 1, "maximum": 65535}
# What Kubernetes keeps in Go code: defaults that list-map keys need, and the checks of pods that
# matter to podman. The bounds on lists and names keep the rule below cheap enough for Kubernetes.
ADDED: dict[str, dict[str, Schema]] = {
    "io.k8s.api.core.v1.ContainerPort": {
        "containerPort": PORT,
        "hostPort": PORT | {"minimum": 0},
        "protocol": {"default": "TCP", "enum": ["TCP", "UDP", "SCTP"]},
    },
    "io.k8s.api.core.v1.LocalObjectReference": {"name": {"default": ""}},
    "io.k8s.api.core.v1.Container": {"name": {"maxLength": 63}},
    "io.k8s.api.core.v1.PodSpec": {
        "containers": {"maxItems": 64},
        "initContainers": {"maxItems": 64},
    },
}
POD_RULES = [
    {
        "rule": "!has(self.initContainers) || "
        "!self.initContainers.exists(i, self.containers.exists(c, c.name == i.name))",
        "message": "a container must not have the name of an init container",
    }
]

META = "io.k8s.apimachinery.pkg.apis.meta.v1"
CORE_KINDS = (
    "io.k8s.api.coordination.v1.Lease",
    "io.k8s.api.core.v1.ConfigMap",
    "io.k8s.api.core.v1.Event",
    "io.k8s.api.core.v1.Namespace",
    "io.k8s.api.core.v1.Secret",
    f"{META}.ListMeta",
    f"{META}.ObjectMeta",
)
# The engine adds apiVersion, kind, metadata and the group, version and kind itself.
ADDED_BY_ENGINE = {"apiVersion", "kind", "metadata"}
# The document does not tell MicroTime from Time; Kubernetes' decoder wants six digits of it.
MICRO_TIME: Schema = {"pattern": r"\.[0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$"}


@cache
def swagger() -> dict[str, Schema]:
    """Return the definitions of Kubernetes' own OpenAPI document."""
    command = ["go", "mod", "download", "-json", f"k8s.io/kubernetes@{KUBERNETES}"]
    with tempfile.TemporaryDirectory() as outside_any_module:
        done = subprocess.run(
            command, cwd=outside_any_module, check=True, capture_output=True, text=True
        )
    document = Path(json.loads(done.stdout)["Dir"]) / "api/openapi-spec/swagger.json"
    definitions: dict[str, Schema] = json.loads(document.read_text())["definitions"]
    return definitions


@cache
def shared() -> dict[str, Schema]:
    """Return the schemas that several of our kinds use."""
    entries: dict[str, Schema] = yaml.safe_load((SOURCES / "shared.yaml").read_text())
    return entries


def inlined(name: str) -> Schema:
    """Return the definition `name` of Kubernetes with every reference written out."""
    if name in REPLACED:
        return json.loads(json.dumps(REPLACED[name]))  # type: ignore[no-any-return]
    schema: Schema = without_references(swagger()[name])
    for field, additions in ADDED.get(name, {}).items():
        schema["properties"][field] |= additions
    return schema


def without_references(schema: Schema) -> Schema:
    """Copy `schema`, follow its references and drop what a CRD cannot hold."""
    if "$ref" in schema:
        return inlined(schema["$ref"].rsplit("/", 1)[-1])
    copy = {key: value for key, value in schema.items() if key not in DROPPED}
    if "properties" in copy:
        copy["properties"] = {
            key: without_references(value) for key, value in sorted(copy["properties"].items())
        }
    for key in ("items", "additionalProperties"):
        if key in copy:
            copy[key] = without_references(copy[key])
    return copy


def expanded(node: Any) -> Any:
    """Replace every `$use: NAME` by the shared schema of that name."""
    if isinstance(node, list):
        return [expanded(item) for item in node]
    if not isinstance(node, dict):
        return node
    used = node.get("$use")
    base = used_schema(used) if used else {}
    return base | {key: expanded(value) for key, value in node.items() if key != "$use"}


def core_schema(name: str) -> Schema:
    """Return the definition `name` for the engine: references written out, with descriptions."""
    schema: Schema = resolved(swagger()[name])
    schema.pop("x-kubernetes-group-version-kind", None)
    if not name.startswith(META):
        properties = schema["properties"].items()
        schema["properties"] = {k: v for k, v in properties if k not in ADDED_BY_ENGINE}
    return schema


def resolved(node: Any) -> Any:
    """Replace every reference by what it refers to; its own description wins."""
    if isinstance(node, list):
        return [resolved(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" not in node:
        return {key: resolved(value) for key, value in sorted(node.items())}
    name = node["$ref"].rsplit("/", 1)[-1]
    more = MICRO_TIME if name == f"{META}.MicroTime" else {}
    own = {key: value for key, value in node.items() if key != "$ref"}
    return resolved(swagger()[name]) | more | own


def used_schema(name: str) -> Schema:
    """Return the schema `name` of shared.yaml, or Kubernetes' own PodSpec."""
    if name == "PodSpec":
        rules = {"description": "A Kubernetes PodSpec.", "x-kubernetes-validations": POD_RULES}
        return inlined("io.k8s.api.core.v1.PodSpec") | rules
    schema: Schema = expanded(shared()[name])
    return schema


def column(source: Schema) -> Schema:
    """Return a printer column in the form of the CRD API."""
    result = {"name": source["name"], "type": source.get("type", "string")}
    for key in ("description", "priority"):
        if key in source:
            result[key] = source[key]
    return result | {"jsonPath": source["path"]}


def version(source: Schema) -> Schema:
    """Return the one version v1alpha1 of a kind."""
    root = {
        "type": "object",
        "description": source["description"],
        "properties": {
            "apiVersion": {"type": "string", "description": "Version of this schema."},
            "kind": {"type": "string", "description": "Kind of the object."},
            "metadata": {"type": "object"},
            "spec": expanded(source["spec"]),
            "status": expanded(source["status"]),
        },
    }
    if "required" in source:
        root["required"] = source["required"]
    return {
        "name": "v1alpha1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [column(entry) for entry in source["columns"]],
        "schema": {"openAPIV3Schema": root},
    }


def definition(source: Schema) -> Schema:
    """Return the CustomResourceDefinition of one file of scripts/crds."""
    kind, plural, group = source["kind"], source["plural"], source.get("group", GROUP)
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    if "shortNames" in source:
        names["shortNames"] = source["shortNames"]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": names,
            "scope": "Namespaced",
            "versions": [version(source)],
        },
    }


class Plain(yaml.SafeDumper):
    """Write every value in full: kubectl's YAML reader is given no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        """Tell that nothing may be written as a reference to an earlier value."""
        return True


HEAD = "# Generated by scripts/generate_crds.py from {}. Do not edit.\n"


def generated() -> dict[Path, str]:
    """Return file → text of everything that is generated."""
    core = {name: core_schema(name) for name in CORE_KINDS}
    text = yaml.dump(core, Dumper=Plain, sort_keys=False, width=200)
    return {**generated_crds(), CORE_TARGET: HEAD.format(f"Kubernetes {KUBERNETES}") + text}


def generated_crds() -> dict[Path, str]:
    """Return file → text of every CRD."""
    head = HEAD.format("scripts/crds")
    sources = (path for path in sorted(SOURCES.glob("*.yaml")) if path.name != "shared.yaml")
    return {
        TARGET / path.name: head
        + yaml.dump(
            definition(yaml.safe_load(path.read_text())), Dumper=Plain, sort_keys=False, width=200
        )
        for path in sources
    }


def main() -> int:
    """Write the files, or with --check say whether the committed ones are up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail on a difference")
    check = parser.parse_args().check
    TARGET.mkdir(parents=True, exist_ok=True)
    for target, text in generated().items():
        if check and (not target.exists() or target.read_text() != text):
            print(f"{target} differs: run python scripts/generate_crds.py", file=sys.stderr)
            return 1
        if not check:
            target.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
