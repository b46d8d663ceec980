"""CRDs of kinds that other systems install, after their public API: only what we may write.

Fields that are left out are those that no installation of ours sets, so a slip in our objects is
refused.
"""

from __future__ import annotations

from typing import Any

from flotta.installation.kinds import SERVICE_MONITOR
from flotta.resources.kinds import ROUTE, Kind

Object = dict[str, Any]
TEXT: Object = {"type": "string"}
TEXTS: Object = {"type": "object", "additionalProperties": TEXT}
PORT: Object = {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, TEXT]}
DURATION = r"^(0|(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$"


def _object(required: tuple[str, ...] = (), **properties: Object) -> Object:
    kept = {"required": list(required)} if required else {}
    return {"type": "object", "properties": properties, **kept}


def _enum(*values: str) -> Object:
    return {**TEXT, "enum": list(values)}


TARGET = _object(
    ("kind", "name"),
    kind={**_enum("Service", ""), "default": "Service"},
    name={**TEXT, "minLength": 1},
    weight={"type": "integer", "format": "int32", "minimum": 0, "maximum": 256, "default": 100},
)
TLS = {
    **_object(
        ("termination",),
        termination=_enum("edge", "reencrypt", "passthrough"),
        insecureEdgeTerminationPolicy=_enum("Allow", "None", "Redirect", ""),
        certificate=TEXT,
        key=TEXT,
    ),
    "x-kubernetes-validations": [
        {
            "rule": "self.termination != 'passthrough' || !has(self.insecureEdgeTerminationPolicy)"
            " || self.insecureEdgeTerminationPolicy != 'Allow'",
            "message": "insecureEdgeTerminationPolicy Allow is not possible with passthrough",
        },
        {
            "rule": "self.termination != 'passthrough' || !has(self.certificate) && !has(self.key)",
            "message": "passthrough termination has no certificate",
        },
    ],
}
ROUTE_SPEC = _object(
    ("to",),
    host={**TEXT, "maxLength": 253, "pattern": r"^[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*$"},
    path={**TEXT, "maxLength": 0},
    port=_object(("targetPort",), targetPort=PORT),
    tls=TLS,
    to=TARGET,
    wildcardPolicy={**_enum("None", "Subdomain", ""), "default": "None"},
)
ENDPOINT = _object(
    (),
    port=TEXT,
    targetPort=PORT,
    path=TEXT,
    scheme=_enum("http", "https"),
    interval={**TEXT, "pattern": DURATION},
    scrapeTimeout={**TEXT, "pattern": DURATION},
)
MONITOR_SPEC = _object(
    ("endpoints", "selector"),
    endpoints={"type": "array", "items": ENDPOINT},
    namespaceSelector=_object(
        (), any={"type": "boolean"}, matchNames={"type": "array", "items": TEXT}
    ),
    selector={**_object((), matchLabels=TEXTS), "x-kubernetes-map-type": "atomic"},
    jobLabel=TEXT,
)


def _crd(kind: Kind, spec: Object, *, status: bool) -> Object:
    schema = _object(("spec",), spec=spec, **({"status": _object()} if status else {}))
    version: Object = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        **({"subresources": {"status": {}}} if status else {}),
    }
    names = {"kind": kind.kind, "plural": kind.plural, "singular": kind.kind.lower()}
    head = {"metadata": {"name": f"{kind.plural}.{kind.group}"}}
    given = {"group": kind.group, "names": names, "scope": "Namespaced", "versions": [version]}
    return {**head, "spec": given}


CRDS = (_crd(ROUTE, ROUTE_SPEC, status=True), _crd(SERVICE_MONITOR, MONITOR_SPEC, status=False))
