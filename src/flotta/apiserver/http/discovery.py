"""Discovery documents: /version, /api, /apis and the lists of resources.

kubectl requests the aggregated form (KEP-3352), which has everything in two requests; older clients
and many libraries request the plain form, group by group.
"""

from __future__ import annotations

import hashlib

import msgspec

from flotta.apiserver.http.negotiation import parse_accept
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.registry import Registry, ServedResource

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
STATUS_VERBS = ["get", "patch", "update"]
REVIEWS = {
    ("authorization.k8s.io", "v1"): {
        "selfsubjectaccessreviews": "SelfSubjectAccessReview",
        "selfsubjectrulesreviews": "SelfSubjectRulesReview",
    },
    ("authentication.k8s.io", "v1"): {"selfsubjectreviews": "SelfSubjectReview"},
}
"""Virtual resources: they can only be created, and nothing is stored (KEP-3325)."""

VERSION: JsonObject = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0+flotta",
    "gitCommit": "",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "",
}
"""The Kubernetes API level whose behaviour is reproduced."""


class Discovery:
    """The responses about what is served; they are the same for all users and never change."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._core = msgspec.json.encode(_aggregated([_core_item(registry)]))
        self._groups = msgspec.json.encode(_aggregated(_group_items(registry)))

    def plain(self, path: str, host: str) -> JsonObject | None:
        """Return the plain document of a path without trailing slash, or None."""
        if path == "/version":
            return VERSION
        if path == "/api":
            return _api_versions(host)
        if path == "/apis":
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": self._all_groups()}
        parts = path.strip("/").split("/")
        if path == "/api/v1":
            return self._resource_list("", "v1")
        if parts[0] == "apis" and len(parts) == 2:
            return self._one_group(parts[1])
        if parts[0] == "apis" and len(parts) == 3:
            return self._resource_list(parts[1], parts[2])
        return None

    def paths(self) -> list[str]:
        """Return the paths that are served, for `/`."""
        groups = dict.fromkeys(f"/apis/{group}" for group, _ in self._versions() if group)
        versions = [f"/apis/{group}/{version}" for group, version in self._versions() if group]
        documents = ["/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]
        return ["/api", "/api/v1", "/apis", *sorted([*groups, *versions]), *documents]

    def aggregated(self, path: str) -> tuple[bytes, str]:
        """Return the aggregated document of /api or /apis and its entity tag."""
        body = self._core if path == "/api" else self._groups
        return body, f'"{hashlib.sha512(body).hexdigest().upper()}"'

    def _all_groups(self) -> list[JsonObject]:
        names = dict.fromkeys(group for group, _ in self._versions() if group)
        return [self._group(name) for name in names]

    def _versions(self) -> list[tuple[str, str]]:
        return [*self._registry.group_versions(), *REVIEWS]

    def _group(self, name: str) -> JsonObject:
        versions = [
            {"groupVersion": f"{group}/{version}", "version": version}
            for group, version in self._versions()
            if group == name
        ]
        return {"name": name, "versions": versions, "preferredVersion": versions[0]}

    def _one_group(self, name: str) -> JsonObject | None:
        if name not in [group for group, _ in self._versions() if group]:
            return None
        return {"kind": "APIGroup", "apiVersion": "v1", **self._group(name)}

    def _resource_list(self, group: str, version: str) -> JsonObject | None:
        if (group, version) not in self._versions():
            return None
        entries = [
            entry
            for resource in self._registry.within(group, version)
            for entry in _resource_entries(resource)
        ]
        reviews = REVIEWS.get((group, version), {})
        entries += [_review_entry(plural, kind) for plural, kind in reviews.items()]
        head: JsonObject = {"kind": "APIResourceList"}
        if group:
            head["apiVersion"] = "v1"
        name = f"{group}/{version}" if group else version
        return {**head, "groupVersion": name, "resources": entries}


def wants_aggregated(accept: str | None) -> bool:
    """Tell whether an Accept header has aggregated discovery v2, which comes before plain JSON."""
    for kind, parameters in parse_accept(accept or ""):
        asked = (parameters.get("g"), parameters.get("v"), parameters.get("as"))
        if kind == "application/json" and asked == (
            "apidiscovery.k8s.io",
            "v2",
            "APIGroupDiscoveryList",
        ):
            return True
    return False


def _api_versions(host: str) -> JsonObject:
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": host}]
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": addresses,
    }


def _resource_entries(resource: ServedResource) -> list[JsonObject]:
    entry: JsonObject = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    return [entry, *(_subresource_entry(resource, name) for name in resource.subresources)]


def _subresource_entry(resource: ServedResource, name: str) -> JsonObject:
    return {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": STATUS_VERBS if name == "status" else ["update"],
    }


def _review_entry(plural: str, kind: str) -> JsonObject:
    return {
        "name": plural,
        "singularName": kind.lower(),
        "namespaced": False,
        "kind": kind,
        "verbs": ["create"],
    }


def _aggregated(items: list[JsonObject]) -> JsonObject:
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _core_item(registry: Registry) -> JsonObject:
    return {"metadata": {}, "versions": [_version_item(registry, "", "v1")]}


def _group_items(registry: Registry) -> list[JsonObject]:
    versions: dict[str, list[JsonObject]] = {}
    for group, version in [*registry.group_versions(), *REVIEWS]:
        if group:
            versions.setdefault(group, []).append(_version_item(registry, group, version))
    return [{"metadata": {"name": group}, "versions": found} for group, found in versions.items()]


def _version_item(registry: Registry, group: str, version: str) -> JsonObject:
    resources = [_resource_item(resource) for resource in registry.within(group, version)]
    for plural, kind in REVIEWS.get((group, version), {}).items():
        resources.append(_review_item(group, version, plural, kind))
    return {"version": version, "freshness": "Current", "resources": resources}


def _resource_item(resource: ServedResource) -> JsonObject:
    response = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    if not resource.group:
        response["version"] = ""
    item: JsonObject = {
        "resource": resource.plural,
        "responseKind": response,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        item["shortNames"] = list(resource.short_names)
    if resource.categories:
        item["categories"] = list(resource.categories)
    if resource.subresources:
        item["subresources"] = [
            {
                "subresource": name,
                "responseKind": response,
                "verbs": STATUS_VERBS if name == "status" else ["update"],
            }
            for name in resource.subresources
        ]
    return item


def _review_item(group: str, version: str, plural: str, kind: str) -> JsonObject:
    return {
        "resource": plural,
        "responseKind": {"group": group, "version": version, "kind": kind},
        "scope": "Cluster",
        "singularResource": kind.lower(),
        "verbs": ["create"],
    }
