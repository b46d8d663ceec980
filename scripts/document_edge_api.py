"""Render the models in docs/reference/edge-api.openapi.yaml from `flotta.protocol`.

Usage: document_edge_api.py [--check]. Paths, headers, statuses and reasons above the marker are
written by hand; tests/unit/docs/test_edge_api_document.py compares them with the code.
With --check, nothing is written and the exit code tells whether something would be.
"""

from __future__ import annotations

import sys
import textwrap
from typing import Any

import msgspec
import yaml
from rendered_pages import ROOT, write_pages

from flotta.protocol import models

PAGE = ROOT / "docs/reference/edge-api.openapi.yaml"
MARKER = "    # The rest is rendered by scripts/document_edge_api.py from src/flotta/protocol/.\n"
CONTENTS = (
    models.EnrolmentInfo,
    models.RegistrationInfo,
    models.RegistrationResponse,
    models.Heartbeat,
    models.DeviceConfigurationMessage,
)


def render_schemas() -> dict[str, Any]:
    """Return the JSON schemas of all contents and their parts, by the name of the model."""
    _, components = msgspec.json.schema_components(
        CONTENTS, ref_template="#/components/schemas/{name}"
    )
    return {name: _described(components[name]) for name in sorted(components)}


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with the first paragraph of its docstring."""
    text = " ".join(schema.get("description", "").split("\n\n")[0].split())
    properties = {name: _plain(value) for name, value in schema["properties"].items()}
    described = {"description": text} if text else {}
    return {**described, "type": "object", "properties": properties}


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a property without the default `null`, which every reader knows."""
    return {key: value for key, value in schema.items() if (key, value) != ("default", None)}


def render_page(page: str) -> str:
    """Return the document with the schemas as the models are."""
    head, marker, _ = page.partition(MARKER)
    if not marker:
        raise SystemExit(f"{PAGE} has no line {MARKER.strip()!r}")
    text = yaml.safe_dump(render_schemas(), sort_keys=False, allow_unicode=True, width=100)
    return f"{head}{marker}{textwrap.indent(text, '    ')}"


if __name__ == "__main__":
    sys.exit(write_pages({PAGE: render_page(PAGE.read_text())}))
