"""Write docs/reference/crds.md: the custom resources, field by field, from scripts/crds.

The paragraphs of the page are scripts/crds/introduction.md and the description of each kind; the
PodSpec is linked, and a schema that several kinds share is shown where it is used first.

Run it in the root of the repository: `.venv-dev/bin/python scripts/document_crds.py`. With
`--check` it changes nothing and fails if the committed page differs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from generate_crds import (
    GROUP,
    SOURCES,
    check,
    committed_pod_spec,
    read_shared,
    resolved,
    write,
)
from kubernetes_schemas import KUBERNETES, Schema

PAGE = Path(__file__).parents[1] / "docs/reference/crds.md"
ORDER = (
    *("edgedevice", "edgedeviceset", "edgeworkload", "edgedevicesignedrequest"),
    *("objectbucketclaim", "edgeconfig", "playbookexecution"),
)
SHOWN_ONCE = {
    *("Heartbeat", "Storage", "DeviceMetrics", "LogCollection", "Mounts", "OSInformation"),
    *("Hardware", "Conditions", "PlaybookConditions", "PlaybookExecutionStatus", "Playbook"),
}
POD_SPEC = (
    "[Kubernetes' PodSpec]"
    "(https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#PodSpec) "
    f"of {KUBERNETES}, with at most 64 containers and 64 init containers. "
    "[Device](device.md#the-pod) says what the device makes of it."
)
NOT_YET = "*Not yet.* "
TYPES = {"date-time": "time (RFC 3339)", "byte": "base64"}
LIMITS = {
    "default": "default `{}`",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "maxLength": "at most {} characters",
    "minItems": "length at least {}",
    "maxItems": "length at most {}",
    "maxProperties": "at most {} entries",
}


@dataclass
class Place:
    """Where fields are: the kind, `spec` or `status`, the path, and whether they are pending."""

    kind: str
    part: str
    path: str
    pending: bool = False

    @property
    def link(self) -> str:
        """The place as a link to its table."""
        return f"[`{self.path}` of {self.kind}](#{self.part}-of-{self.kind.lower()})"

    def below(self, step: str, node: Schema) -> Place:
        """Return the place of a field below this one."""
        pending = self.pending or "$pending" in node
        return Place(self.kind, self.part, f"{self.path}{step}", pending)


@dataclass
class Page:
    """Describes kinds in Markdown; `shown` is where each shared schema is shown."""

    shared: dict[str, Schema]
    shown: dict[str, Place] = field(default_factory=dict)

    def describe_kind(self, source: Schema) -> Iterator[str]:
        """Yield the lines of a kind."""
        kind = source["kind"]
        yield from ("", f"## {kind}", "", source["description"], "")
        yield f"`apiVersion: {source.get('group', GROUP)}/v1alpha1`, {_names(source)}."
        yield from ("", "```yaml", *source["example"].splitlines(), "```")
        yield from ("", f"### Columns of {kind}", "")
        yield from _table(f"Column of `kubectl get {source['plural']}`", "Shows")
        for column in source["columns"]:
            yield _row(*_column(column))
        for part in ("spec", "status"):
            yield from ("", f"### {part.capitalize()} of {kind}", "")
            yield from self._describe_part(source, part)

    def _describe_part(self, source: Schema, part: str) -> Iterator[str]:
        node = resolved(source[part], self.shared)
        place = Place(source["kind"], part, part).below("", node)
        used = _shared_name(source[part])
        yield node["description"]
        yield ""
        yield from _table("Field", "Type", "Default and limits", "Description")
        if used in SHOWN_ONCE:
            self.shown.setdefault(used, place)
        yield from self._describe_fields(node, place)

    def _describe_fields(self, node: Schema, place: Place) -> Iterator[str]:
        """Yield a row for each field below a schema."""
        for name, raw in node.get("properties", {}).items():
            required = name in node.get("required", ())
            yield from self._describe_field(raw, place.below(f".{name}", raw), required=required)
        if isinstance(values := node.get("additionalProperties"), dict):
            yield from self._describe_fields(
                resolved(values, self.shared), place.below(".KEY", values)
            )
        if isinstance(items := node.get("items"), dict):
            yield from self._describe_fields(resolved(items, self.shared), place.below("[]", items))

    def _describe_field(self, raw: Schema, place: Place, *, required: bool) -> Iterator[str]:
        """Yield the row of a field, and those below it unless they are shown elsewhere."""
        node = resolved(raw, self.shared)
        place = place.below("", node)
        used = _shared_name(raw)
        limits = "; ".join([*(["required"] if required else []), *_limits(node, self.shared)])
        text = (NOT_YET if place.pending else "") + node.get("description", "")
        if used == "PodSpec":
            yield _row(f"`{place.path}`", "object", limits, POD_SPEC)
            return
        first = self.shown.get(used)
        if first is not None:
            text = f"{text} As {first.link}."
        yield _row(f"`{place.path}`", _type(node, self.shared), limits, text)
        if first is None:
            if used in SHOWN_ONCE:
                self.shown[used] = place
            yield from self._describe_fields(node, place)


def _shared_name(raw: Schema) -> str:
    """Return the name of the shared schema of a field, or of the items of a list; "" for none."""
    name: str = raw.get("$use") or raw.get("items", {}).get("$use", "")
    return name


def _names(source: Schema) -> str:
    plural = f"plural `{source['plural']}`"
    if "shortNames" not in source:
        return plural
    return f"{plural}, short {' and '.join(f'`{name}`' for name in source['shortNames'])}"


def _column(column: Schema) -> tuple[str, str]:
    wide = " (with `-o wide`)" if column.get("priority") else ""
    return f"{column['name']}{wide}", column.get("description", "Time since its creation.")


def _type(node: Schema, shared: dict[str, Schema]) -> str:
    """Return the type of a field in words."""
    if node["type"] == "array":
        return f"list of {_type(resolved(node['items'], shared), shared)}s"
    if isinstance(values := node.get("additionalProperties"), dict):
        return f"map of {_type(resolved(values, shared), shared)}s"
    return TYPES.get(node.get("format", "")) or str(node["type"])


def _limits(node: Schema, shared: dict[str, Schema]) -> Iterator[str]:
    """Yield what is prescribed for the values of a field, its entries included."""
    for keyword, words in LIMITS.items():
        if keyword in node:
            yield words.format(_scalar(node[keyword]))
    if "enum" in node:
        values = ", ".join(f"`{value}`" for value in node["enum"])
        yield values if len(node["enum"]) == 1 else f"one of {values}"
    for name in ("items", "additionalProperties"):
        if isinstance(entry := node.get(name), dict):
            inner = resolved(entry, shared)
            yield from (rule["message"] for rule in inner.get("x-kubernetes-validations", ()))
            if inner["type"] == "string":
                yield from (f"each {words}" for words in _limits(inner, shared))
    yield from (rule["message"] for rule in node.get("x-kubernetes-validations", ()))


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _table(*titles: str) -> tuple[str, str]:
    return _row(*titles), "|" + "---|" * len(titles)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def render_page() -> str:
    """Return the text of the page."""
    sources = [yaml.safe_load((SOURCES / f"{name}.yaml").read_text()) for name in ORDER]
    tables = Page(read_shared(committed_pod_spec()))
    lines = [(SOURCES / "introduction.md").read_text(), *_table("Kind", "What it is")]
    for source in sources:
        sentence, dot, _ = source["description"].partition(". ")
        link = f"[{source['kind']}](#{source['kind'].lower()})"
        lines.append(_row(link, sentence + dot.strip()))
    for source in sources:
        lines += tables.describe_kind(source)
    lines += ["", "`scripts/document_crds.py` generates this page from `scripts/crds/`."]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the page, or with --check say whether the committed one is up to date."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="change nothing, fail on a difference")
    files = {PAGE: render_page()}
    return check(files) if parser.parse_args().check else write(files)


if __name__ == "__main__":
    sys.exit(main())
