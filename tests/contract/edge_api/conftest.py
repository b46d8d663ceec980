"""An Edge API on Secrets that a control plane of v0.2 has left, and agents of v0.2."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from edge_site import Fleet, Site, edge_api, fleet_of
from operator_site import resource_api

from flotta.identity.authority import CertificateAndKey
from flotta.own_names import FLOTTA_NAMESPACE
from flotta.resources.client import Client
from flotta.resources.kinds import SECRET
from v02.gateway import FormerGateway
from v02.pki import FormerAuthority, KeyType

BATCH = "reg-client-ca-abcdefghij"
MakeAgent = Callable[..., FormerGateway]


@pytest.fixture(scope="session", params=["EC", "RSA"])
def former(request: pytest.FixtureRequest) -> FormerAuthority:
    """Return the CA of the control plane of v0.2 that was there before."""
    return FormerAuthority(request.param)


@pytest.fixture(scope="session")
def left_registration(former: FormerAuthority) -> CertificateAndKey:
    return former.registration(BATCH)


@pytest.fixture(scope="session")
def former_site(
    former: FormerAuthority,
    left_registration: CertificateAndKey,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """Return the Edge API that has taken the place of one of v0.2."""
    folder = tmp_path_factory.mktemp("edge")
    with resource_api(folder, "embedded") as access:
        asyncio.run(_leave(str(access("admin")), former, left_registration))
        with edge_api(folder, access, PRESENCE_WRITE_SECONDS="1") as site:
            yield site


async def _leave(kubeconfig: str, former: FormerAuthority, registration: CertificateAndKey) -> None:
    """Create the Secrets of v0.2; the batch was told that agents of v0.2 may still join."""
    server = former.server()
    allowed = json.dumps({"allowWithoutFingerprint": True}).encode()
    secrets: dict[str, tuple[dict[str, bytes], dict[str, str]]] = {
        "flotta-ca": ({"ca.crt": former.certificate_pem, "ca.key": former.key_pem}, {}),
        "flotta-host-certificate": (
            {"server.crt": server.certificate, "server.key": server.key},
            {},
        ),
        BATCH: (
            {
                "client.crt": registration.certificate,
                "client.key": registration.key,
                "batch": allowed,
            },
            {"reg-client-ca": "true"},
        ),
    }
    async with await Client.connect(kubeconfig) as client:
        for name, (data, labels) in secrets.items():
            encoded = {key: b64encode(value).decode() for key, value in data.items()}
            metadata: dict[str, Any] = {
                "name": name,
                "namespace": FLOTTA_NAMESPACE,
                "labels": labels,
            }
            await client.create(SECRET, {"metadata": metadata, "type": "Opaque", "data": encoded})


@pytest.fixture
async def former_fleet(former_site: Site) -> AsyncIterator[Fleet]:
    async with fleet_of(former_site) as opened:
        yield opened


@pytest.fixture
def agent(
    former_site: Site,
    former: FormerAuthority,
    left_registration: CertificateAndKey,
    tmp_path: Path,
) -> MakeAgent:
    """Return a function that makes an agent of v0.2 with the registration certificate."""

    def make(device_id: str, key_type: KeyType = former.kind) -> FormerGateway:
        ca = former.certificate_pem
        return FormerGateway(former_site.port, ca, device_id, left_registration, tmp_path, key_type)

    return make
