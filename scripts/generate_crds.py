"""Generate the CRDs in src/flotta/resources/crds, and schemas of core kinds for the engine.

The CRDs come from scripts/crds and Kubernetes' PodSpec (without descriptions), the core kinds and
metadata (with them) from the same document: `api/openapi-spec/swagger.json` of the Go module
`k8s.io/kubernetes`.

For a new or changed kind, write scripts/crds/KIND.yaml and run, in the root of the repository,
`.venv-dev/bin/python scripts/generate_crds.py`. It writes src/flotta/resources/crds/KIND.yaml and
needs nothing else: the PodSpec is the one in the committed edgeworkload.yaml there. Then run
`scripts/document_crds.py`, which writes the page of the same kinds.

After a change of kubernetes_schemas.py run it with `--kubernetes`. That reads PodSpec and core
kinds again, and needs `go` and the module proxy (or a filled module cache). `--check` changes
nothing and fails if something would be written.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml
from kubernetes_schemas import CORE_KINDS, KUBERNETES, Schema, core_schema, pod_spec
from pod_field_rules import with_refusals
from schema_keywords import check_kind, check_shared

GROUP = "management.project-flotta.io"
SOURCES = Path(__file__).parent / "crds"
PACKAGE = Path(__file__).parents[1] / "src/flotta"
TARGET = PACKAGE / "resources/crds"
CORE_TARGET = PACKAGE / "apiserver/schema/kubernetes.yaml"
PENDING = " Devices do not carry this out yet."


def read_shared(pod: Schema) -> dict[str, Schema]:
    """Return the schemas that several of our kinds use, by the names that `$use` takes."""
    entries: dict[str, Schema] = yaml.safe_load((SOURCES / "shared.yaml").read_text())
    check_shared(entries, "scripts/crds/shared.yaml")
    return {**entries, "PodSpec": with_refusals(pod)}


def resolved(node: Schema, shared: dict[str, Schema]) -> Schema:
    """Return the node with what its `$use` names; its own keywords come before those."""
    while "$use" in node:
        own = {key: value for key, value in node.items() if key != "$use"}
        node = shared[node["$use"]] | own
    return node


def expanded(node: Any, shared: dict[str, Schema], *, pending: bool = False) -> Any:
    """Replace every `$use: NAME` by the shared schema of that name.

    What is below a `$pending: true` is `pending`: its descriptions say so, because `kubectl
    explain` shows one field at a time.
    """
    if isinstance(node, list):
        return [expanded(item, shared, pending=pending) for item in node]
    if not isinstance(node, dict):
        return node
    node = resolved(node, shared)
    pending = pending or "$pending" in node
    result = {
        key: expanded(value, shared, pending=pending)
        for key, value in node.items()
        if key != "$pending"
    }
    if pending and isinstance(result.get("description"), str):
        result["description"] += PENDING
    return result


def committed_pod_spec() -> Schema:
    """Return the PodSpec that `kubernetes_pod_spec` was when it was last read."""
    crd = yaml.load((TARGET / "edgeworkload.yaml").read_text(), yaml.CSafeLoader)
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    pod: Schema = spec["properties"]["pod"]["properties"]["spec"]
    return pod


def column(source: Schema) -> Schema:
    """Return a printer column in the form of the CRD API."""
    result = {"name": source["name"], "type": source.get("type", "string")}
    for key in ("description", "priority"):
        if key in source:
            result[key] = source[key]
    return result | {"jsonPath": source["path"]}


def version(source: Schema, shared: dict[str, Schema]) -> Schema:
    """Return the one version v1alpha1 of a kind."""
    root = {
        "type": "object",
        "description": source["description"],
        "properties": {
            "apiVersion": {"type": "string", "description": "Version of this schema."},
            "kind": {"type": "string", "description": "Kind of the object."},
            "metadata": {"type": "object"},
            "spec": expanded(source["spec"], shared),
            "status": expanded(source["status"], shared),
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


def definition(source: Schema, shared: dict[str, Schema]) -> Schema:
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
            "versions": [version(source, shared)],
        },
    }


class Plain(yaml.SafeDumper):
    """Write every value in full: kubectl's YAML reader is given no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        """Tell that nothing may be written as a reference to an earlier value."""
        return True


HEAD = "# Generated by scripts/generate_crds.py from {}. Do not edit.\n"


def generated_core() -> str:
    """Return the text of the core kinds' schemas."""
    core = {name: core_schema(name) for name in CORE_KINDS}
    text = yaml.dump(core, Dumper=Plain, sort_keys=False, width=200)
    return HEAD.format(f"Kubernetes {KUBERNETES}") + text


def generated_crds(pod: Schema) -> dict[Path, str]:
    """Return file → text of every CRD. Raises ValueError if a source has an unknown keyword."""
    shared = read_shared(pod)
    sources = (path for path in sorted(SOURCES.glob("*.yaml")) if path.name != "shared.yaml")
    return {TARGET / path.name: generated_crd(path, shared) for path in sources}


def generated_crd(path: Path, shared: dict[str, Schema]) -> str:
    """Return the text of the CRD of one file of scripts/crds."""
    source: Schema = yaml.safe_load(path.read_text())
    check_kind(source, f"scripts/crds/{path.name}")
    text = yaml.dump(definition(source, shared), Dumper=Plain, sort_keys=False, width=200)
    return HEAD.format("scripts/crds") + text


def main() -> int:
    """Write the files, or with --check say whether the committed ones are up to date."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="change nothing, fail on a difference")
    parser.add_argument("--kubernetes", action="store_true", help="read Kubernetes' schemas again")
    options = parser.parse_args()
    try:
        files = generated_crds(pod_spec() if options.kubernetes else committed_pod_spec())
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    if options.kubernetes:
        files[CORE_TARGET] = generated_core()
    return check(files) if options.check else write(files)


def check(files: dict[Path, str]) -> int:
    """Return 1 and say so if a committed file differs, else 0."""
    for target, text in files.items():
        if not target.exists() or target.read_text() != text:
            print(f"{target} differs: run python {sys.argv[0]}", file=sys.stderr)
            return 1
    return 0


def write(files: dict[Path, str]) -> int:
    """Write the files and return 0."""
    for target, text in files.items():
        target.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
