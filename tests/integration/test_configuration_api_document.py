"""The OpenAPI document of the Edge Configuration API against the server that runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from configuration_site import ConfigurationSite, Pki, configuration_api

DOCUMENT = Path(__file__).parents[2] / "docs/reference/configuration-api.openapi.yaml"
# Not `positive_data_acceptance`: for JSON Schema 4.0 is an integer, for us it is none.
CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
    *("response_headers_conformance", "response_schema_conformance", "negative_data_rejection"),
    *("missing_required_header", "unsupported_method", "allow_header_conformance"),
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ConfigurationSite]:
    """Yield a server that lets devices register, with a configuration for that of the examples."""
    with configuration_api(tmp_path, "--auto-approve", pki=Pki.create(tmp_path)) as started:
        done = started.command("put", "default/till-1", "-", stdin="workloads: []")
        assert done.returncode == 0, done.stderr
        yield started


def run_schemathesis(site: ConfigurationSite, *options: str) -> None:
    assert site.pki is not None
    files = site.pki.files("client")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", DOCUMENT, "--url", site.url),
            *("--tls-verify", site.pki.ca, "--request-cert", files.certificate),
            *("--request-cert-key", files.key, "--checks", ",".join(CHECKS)),
            *("--generation-database", "none", "--continue-on-failure", "--no-color", *options),
        ],
        cwd=site.directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "ERROR" not in site.log, site.log


def test_the_server_does_what_its_document_says(site: ConfigurationSite) -> None:
    options = ("--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--seed", "17")
    run_schemathesis(site, *options)


@pytest.mark.deep
def test_the_server_does_what_its_document_says_for_long(site: ConfigurationSite) -> None:
    run_schemathesis(site, "--max-time", "120")
