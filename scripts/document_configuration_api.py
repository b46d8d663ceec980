"""Render docs/reference/configuration-api.openapi.yaml, and the rules on the page beside it.

Usage: document_configuration_api.py [--check]. The operations are written in
`scripts/openapi/configuration-api.yaml`, the schemas come from `flotta.protocol`, the rules from
the conformance kit. With --check, nothing is written and the exit code tells whether something
would be.
"""

from __future__ import annotations

import re
import sys
from typing import Any

import msgspec
import yaml
from rendered_pages import ROOT, replace_table, write_pages

from flotta.configuration_api.conformance.catalogue import RULES
from flotta.protocol import configuration_api as api
from flotta.protocol import models

DOCUMENT = ROOT / "docs/reference/configuration-api.openapi.yaml"
PAGE = ROOT / "docs/reference/configuration-api.md"
OPERATIONS = ROOT / "scripts/openapi/configuration-api.yaml"
MODELS = (
    *(models.EnrolmentInfo, models.RegistrationInfo, models.Heartbeat),
    *(models.DeviceConfigurationMessage, models.PlaybookExecution),
    *(api.RegistrationStatus, api.Changes, api.Failure),
)
CITATION = re.compile(r"\s*\(?(See )?docs/[^)\s]*\)?\.?")  # pages that a reader may not have
# What a type of Python does not say.
REQUIRED = {
    "RegistrationStatus": ["status"],
    "Changes": ["version", "devices", "complete"],
    "Failure": ["message"],
}
ENUMS = {("RegistrationStatus", "status"): [status.value for status in api.Status]}


class _Dumper(yaml.SafeDumper):
    """Writes every value out, without aliases."""

    def ignore_aliases(self, data: object) -> bool:
        """Tell that no value is written as an alias."""
        return True


def render_page(page: str) -> str:
    """Return the page with the rules of today."""
    rows = [(f"`{rule.name}`", rule.sentence) for rule in RULES]
    return replace_table(page, "The conformance kit", ("Rule", "What a store does"), rows)


def render_document() -> str:
    """Return the whole document."""
    document = yaml.safe_load(OPERATIONS.read_text())
    document["components"]["schemas"].update(_schemas())
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)


def _schemas() -> dict[str, Any]:
    _, found = msgspec.json.schema_components(MODELS, ref_template="#/components/schemas/{name}")
    schemas = {name: _simplify(schema) for name, schema in found.items()}
    for name, fields in REQUIRED.items():
        schemas[name]["required"] = fields
    for (name, field), values in ENUMS.items():
        schemas[name]["properties"][field]["enum"] = values
    return dict(sorted(schemas.items()))


def _simplify(schema: Any) -> Any:
    """Return the schema without titles, defaults and citations."""
    if isinstance(schema, list):
        return [_simplify(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "properties" in schema:
        schema = {**schema, "properties": _members(schema["properties"])}
        kept = {key: value for key, value in schema.items() if key not in ("title", "required")}
        kept["description"] = _describe(schema["description"])
        return kept
    # Integers have no bounds: a number that no int64 can hold is left out, not refused.
    return {key: _simplify(value) for key, value in schema.items() if key != "default"}


def _members(properties: dict[str, Any]) -> dict[str, Any]:
    return {name: _simplify(schema) for name, schema in properties.items()}


def _describe(docstring: str) -> str:
    """Return the first paragraph of a docstring."""
    paragraph = " ".join(docstring.split("\n\n")[0].split())
    text = CITATION.sub("", paragraph).rstrip()
    return text if text.endswith(".") else f"{text}."


if __name__ == "__main__":
    sys.exit(write_pages({DOCUMENT: render_document(), PAGE: render_page(PAGE.read_text())}))
