"""The document of the Edge Configuration API is what its operations and models say."""

from __future__ import annotations

import re
import sys

import pytest
import yaml
from aiohttp import web
from openapi_spec_validator import validate
from pages import ROOT

from flotta.configuration_api.application import make_application
from flotta.configuration_api.handlers import Handlers, JoiningRules
from flotta.protocol.configuration_api import BASE_PATH

sys.path.insert(0, str(ROOT / "scripts"))

import document_configuration_api

PAGE = ROOT / "docs/reference/configuration-api.md"


@pytest.fixture(scope="module")
def document() -> dict[str, dict[str, dict[str, object]]]:
    return yaml.safe_load(document_configuration_api.DOCUMENT.read_text())


def test_the_document_is_up_to_date() -> None:
    """To mend it, run `scripts/document_configuration_api.py`."""
    document = document_configuration_api.DOCUMENT.read_text()
    assert document == document_configuration_api.render_document()
    assert PAGE.read_text() == document_configuration_api.render_page(PAGE.read_text())


def test_the_document_is_openapi(document: dict[str, object]) -> None:
    validate(document)


def test_the_document_has_the_operations_that_the_server_serves(
    document: dict[str, dict[str, dict[str, object]]],
) -> None:
    described = {
        (method.upper(), re.sub(r"\{[^}]*\}", "{}", path))
        for path, operations in document["paths"].items()
        for method in operations
        if method != "parameters"
    }
    assert described == set(served())


def test_the_page_has_all_operations(
    document: dict[str, dict[str, dict[str, object]]],
) -> None:
    page = PAGE.read_text()
    for path, operations in document["paths"].items():
        for method in operations:
            if method != "parameters":
                assert f"`{method.upper()} /{path.rsplit('/', 1)[-1]}" in page, path


def served() -> list[tuple[str, str]]:
    app: web.Application = make_application(Handlers(None, JoiningRules()), None)  # type: ignore[arg-type]
    return [
        (route.method, re.sub(r"\{[^}]*\}", "{}", route.resource.canonical[len(BASE_PATH) :]))
        for route in app.router.routes()
        if route.method != "HEAD" and route.resource is not None
    ]
