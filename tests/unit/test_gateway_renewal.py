"""When a device renews its certificate: in time, or because the control plane wants it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flotta.gateway.clock import Clock
from flotta.gateway.http_client import HttpResponse
from flotta.gateway.identity import Identity
from flotta.gateway.identity_store import IdentityStore
from flotta.gateway.renewal import Renewal
from flotta.gateway.settings import Timing
from flotta.identity.authority import Authority
from flotta.identity.requests import load_request

DEVICE = "till-7"
DAYS = 30  # of validity


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("flotta-ca")


def open_store(pki: Path) -> IdentityStore:
    registration = (pki / "cert.pem", pki / "key.pem")
    return IdentityStore(pki / "device", registration, (pki / "ca.pem",), DEVICE)


def install(pki: Path, authority: Authority) -> Identity:
    store = open_store(pki)
    csr = load_request(store.ensure_pending_key().sign_request(DEVICE))
    return store.install(authority.sign_device(csr, DEVICE, "default", "uid", DAYS))


def test_devices_that_enrolled_together_renew_at_two_thirds_minus_up_to_a_tenth(
    tmp_path: Path, authority: Authority
) -> None:
    identity = install(tmp_path, authority)
    left = [
        renewal_of(tmp_path, SimpleNamespace(), spread=0.0)._seconds_left(identity)
        for _ in range(300)
    ]
    day = timedelta(days=1).total_seconds()
    assert 19.9 * day < max(left) <= 20 * day
    assert 16.9 * day < min(left) < 17.3 * day
    assert len({round(seconds) for seconds in left}) > 250


class Requests:
    """Counts renewals; each is granted."""

    def __init__(self, pki: Path, authority: Authority, done: asyncio.Event) -> None:
        self.made = 0
        self._pki = pki
        self._authority = authority
        self._done = done

    async def renew(self, _: Identity) -> HttpResponse:
        self.made += 1
        install(self._pki, self._authority)
        self._done.set()
        return HttpResponse(200, {})


def renewal_of(pki: Path, requests: Any, spread: float) -> Renewal:
    timing = Timing(wanted_spread=spread)
    return Renewal(open_store(pki), requests, Clock(pki / "clock"), timing, DEVICE)


async def test_a_certificate_that_is_wanted_again_is_renewed_once(
    tmp_path: Path, authority: Authority
) -> None:
    used, done = install(tmp_path, authority), asyncio.Event()
    requests = Requests(tmp_path, authority, done)
    renewal = renewal_of(tmp_path, requests, spread=0.0)
    running = asyncio.create_task(renewal.run())
    await asyncio.sleep(0)
    renewal.want(used)
    await asyncio.wait_for(done.wait(), 30)
    renewal.want(used)  # a heartbeat that was on its way
    for _ in range(20):
        await asyncio.sleep(0)
    running.cancel()
    assert requests.made == 1


def test_a_fleet_that_is_asked_at_once_renews_over_an_hour(
    tmp_path: Path, authority: Authority
) -> None:
    used = install(tmp_path, authority)
    waits = []
    for _ in range(300):
        renewal = renewal_of(tmp_path, SimpleNamespace(), Timing().wanted_spread)
        renewal.want(used)
        waits.append(renewal._seconds_left(used))
        renewal.want(used)  # every heartbeat asks again
        assert renewal._seconds_left(used) <= waits[-1]
    assert max(waits) > 3000
    assert min(waits) < 600
    in_ten_minutes = sum(1200 < seconds < 1800 for seconds in waits)
    assert 20 < in_ten_minutes < 90  # 50 on the average, six standard deviations around it
