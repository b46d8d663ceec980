"""The Edge API over mTLS against its OpenAPI document: requests that schemathesis generates.

Whatever comes, each response is one that the document has, and none is a failure of the server.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import edge_site
import pytest
import schemathesis
from edge_site import edge_api, fleet_of
from hypothesis import HealthCheck, Phase, given, seed, settings
from operator_site import resource_api
from requests import Session
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from edge_api_document import document
from flotta.identity.authority import CertificateAndKey

load_all_checks()
QUICK, LONG = 150, 1000  # requests for each operation and way of generating
NOT_HELD = "wait=0"  # instead of a generated wish: the server would hold the request so long
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
]
OPERATIONS = [
    ("/control/{device_id}/in", "GET"),
    ("/control/{device_id}/out", "POST"),
    ("/data/{device_id}/in", "GET"),
    ("/data/{device_id}/out", "POST"),
]


@dataclass
class Target:
    """An Edge API, and a device that may ask it anything."""

    url: str
    device_id: str
    sessions: tuple[Session, ...]  # of the device, and of a registration certificate


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("edge")
    with pytest.MonkeyPatch.context() as patch, resource_api(folder, "embedded") as access:
        patch.setattr(edge_site, "EDGE_API", "unlimited_edge_api")
        integration = Path(edge_site.__file__).parent
        path = f"{edge_site.SOURCE}:{integration}"
        with edge_api(folder, access, PYTHONPATH=path, ENROLMENTS_PER_SECOND="1000") as site:
            yield asyncio.run(_make_target(site))


async def _make_target(site: edge_site.Site) -> Target:
    async with fleet_of(site) as fleet:
        device = await fleet.joined()
        await device.close()
        assert device.identity is not None
        ca = site.directory / "ca.crt"
        ca.write_bytes(fleet.authority.certificate_pem)
        sessions = tuple(
            _session(site.directory / name, ca, identity)
            for name, identity in (("device", device.identity), ("reg", fleet.registration))
        )
        base = f"https://127.0.0.1:{site.port}{edge_site.BASE}"
        return Target(base, device.device_id, sessions)


def _session(stem: Path, ca: Path, identity: CertificateAndKey) -> Session:
    certificate, key = stem.with_suffix(".pem"), stem.with_suffix(".key")
    certificate.write_bytes(identity.certificate)
    key.write_bytes(identity.key)
    session = Session()
    session.trust_env = False  # else a CA of the environment counts
    session.verify, session.cert = str(ca), (str(certificate), str(key))
    return session


def exercise(target: Target, path: str, method: str, mode: GenerationMode, count: int) -> None:
    """Send so many generated requests to one operation."""
    operation = schemathesis.openapi.from_dict(document())[path][method]
    chance = random.Random(17)

    @seed(17)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        if chance.random() < 0.8:  # else what was generated, which is nearly always a stranger's
            case.path_parameters = {"device_id": target.device_id}
        if "Prefer" in (case.headers or {}):
            case.headers["Prefer"] = NOT_HELD
        session = target.sessions[chance.random() < 0.3]
        response: Response = case.call(
            base_url=target.url, session=session, timeout=30, verify=session.verify
        )
        case.validate_response(response, checks=_checks_of(response))
        if mode is GenerationMode.POSITIVE and response.status_code == 400:
            assert response.json()["reason"] != "InvalidMessage", response.text

    send()


def _checks_of(response: Response) -> list[Any]:
    """Return the checks of a response; an empty 200 is what the document says in words."""
    return [*CHECKS, *([response_schema_conformance] if response.content else [])]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_response_is_documented(
    target: Target, path: str, method: str, mode: GenerationMode
) -> None:
    exercise(target, path, method, mode, QUICK)


@pytest.mark.deep
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_response_of_many_is_documented(
    target: Target, path: str, method: str, mode: GenerationMode
) -> None:
    exercise(target, path, method, mode, LONG)
