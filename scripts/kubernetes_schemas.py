"""Schemas from Kubernetes' own OpenAPI document: PodSpec for our CRDs, core kinds for the engine.

The document is `api/openapi-spec/swagger.json` of the Go module `k8s.io/kubernetes`; reading it
needs `go` and the module proxy (or a filled module cache).
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

KUBERNETES = "v1.36.3"

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
# Types whose swagger entry says less than a CRD needs: what controller-gen writes for them.
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
# Names and paths that become files on a device, and operands of podman (RFC 1123; Kubernetes'
# pkg/apis/core/validation): no separator, no `..`, no leading `-`.
LABEL: Schema = {"maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}
KEY: Schema = {"maxLength": 253, "pattern": "^[-._a-zA-Z0-9]*$"}
STEP = r"([^./][^/]*|\.[^./][^/]*|\.\.[^/]+|\.)"  # of a path: anything but `..`
INNER_PATH: Schema = {"maxLength": 1024, "pattern": f"^({STEP}(/{STEP}?)*)?$"}
IMAGE: Schema = {"pattern": r"^([^-\s]\S*)?$"}
# What Kubernetes has only in Go code: defaults that list-map keys need, and the checks of pods that
# matter to podman. The limits on lists and names keep the rule below cheap enough for Kubernetes.
ADDED: dict[str, dict[str, Schema]] = {
    "io.k8s.api.core.v1.ContainerPort": {
        "containerPort": PORT,
        "hostPort": PORT | {"minimum": 0},
        "protocol": {"default": "TCP", "enum": ["TCP", "UDP", "SCTP"]},
    },
    "io.k8s.api.core.v1.LocalObjectReference": {"name": {"default": ""}},
    "io.k8s.api.core.v1.Container": {"name": LABEL, "image": IMAGE},
    "io.k8s.api.core.v1.KeyToPath": {"key": KEY, "path": INNER_PATH},
    "io.k8s.api.core.v1.ResourceRequirements": {
        "limits": {"maxProperties": 64},
        "requests": {"maxProperties": 64},
    },
    "io.k8s.api.core.v1.Volume": {"name": LABEL},
    "io.k8s.api.core.v1.VolumeMount": {"subPath": INNER_PATH, "subPathExpr": INNER_PATH},
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
# The document does not distinguish MicroTime from Time; Kubernetes' decoder requires six digits.
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


def inlined(name: str) -> Schema:
    """Return the definition `name` of Kubernetes with every reference expanded."""
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


def pod_spec() -> Schema:
    """Return the PodSpec of `KUBERNETES`, with our rules."""
    rules = {"description": "A Kubernetes PodSpec.", "x-kubernetes-validations": POD_RULES}
    return inlined("io.k8s.api.core.v1.PodSpec") | rules


def core_schema(name: str) -> Schema:
    """Return the definition `name` for the engine: references expanded, with descriptions."""
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
