"""What a rollover does to the Secrets: expired CAs, repeats, CAs of others. In memory."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from memory_backend import MemoryAuthority, MemorySecrets

from flotta.edge_api.backends.authority_store import LeftBehind
from flotta.edge_api.certificates import Certificates, Material
from flotta.edge_api.rollover import Rollover
from flotta.edge_api.settings import Settings
from flotta.identity.authority import Authority
from flotta.identity.issuers import issued_by, load_bundle
from flotta.identity.lifetime import load_certificate
from flotta.identity.rollover import FINISH, ROLL, Phase, RolloverAnswer, RolloverRequest
from flotta.own_names import CA_SECRET, HOST_SECRET

SETTINGS = Settings(server_names=("127.0.0.1",))


class Site:
    """One Edge API with its Secrets."""

    def __init__(self) -> None:
        self.secrets = MemorySecrets()
        self.store = MemoryAuthority()
        self._ids = itertools.count()

    async def put(self, authority: Authority, *, server: Authority | None = None) -> None:
        data = {"ca.crt": authority.certificate_pem, "ca.key": authority.key_pem}
        await self._write(CA_SECRET, data)
        if server is not None:
            issued = server.issue_server(["127.0.0.1"])
            await self._write(HOST_SECRET, {"server.crt": issued[0], "server.key": issued[1]})

    async def _write(self, name: str, data: dict[str, bytes]) -> None:
        if (found := await self.secrets.read(name)) is not None:
            await self.secrets.replace(found, {**found.data, **data})
        else:
            await self.secrets.create(name, data)

    async def ask(self, phase: Phase, *, forced: bool = False) -> RolloverAnswer:
        self.store.ask(RolloverRequest(f"{next(self._ids)}", phase, forced))
        await Rollover(self.secrets, self.store, SETTINGS).follow()
        return self.store.answers[-1]

    async def ensure(self) -> Material:
        return await Certificates(self.secrets, SETTINGS).ensure(starting=True)


@pytest.fixture
def site() -> Site:
    return Site()


def expired_authority() -> Authority:
    begin = datetime.now(UTC) - timedelta(days=3651)
    return Authority.create("flotta-ca", days=-1, since=begin)


async def test_an_expired_ca_serves_what_there_is_until_it_is_rolled(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    expired = expired_authority()
    await site.put(Authority.create("flotta-ca"))
    before = await site.ensure()
    await site.put(expired)

    kept = await site.ensure()
    assert kept.server == before.server
    assert "Roll it over: flotta certificates roll-ca" in caplog.text

    assert not (await site.ask(ROLL)).is_refusal
    rolled = await site.ensure()
    assert rolled.authority.not_after > datetime.now(UTC) + timedelta(days=3000)
    assert issued_by(load_certificate(rolled.server.certificate), [rolled.authority.certificate])
    assert issued_by(load_certificate(rolled.stored.cross), [expired.certificate])


async def test_an_expired_ca_without_a_server_certificate_says_what_to_do(site: Site) -> None:
    await site.put(expired_authority())
    with pytest.raises(ValueError, match="Roll it over: flotta certificates roll-ca"):
        await site.ensure()
    await site.ask(ROLL)
    assert (await site.ensure()).is_valid(datetime.now(UTC))


async def test_a_ca_that_cannot_be_read_is_named_with_a_next_step(site: Site) -> None:
    await site.put(Authority.create("flotta-ca"))
    await site.secrets.create(HOST_SECRET, {"server.crt": b"nonsense", "server.key": b""})
    answer = await site.ask(ROLL)
    assert answer.code == "CARolloverRefused"
    assert "Nothing was changed. Mend them" in answer.message


async def test_cross_certificates_of_all_rollovers_are_kept(site: Site) -> None:
    first = (await site.ensure()).authority
    for _ in range(3):
        await site.ask(ROLL)
        await site.ask(FINISH)
    chain = load_bundle((await site.ensure()).stored.cross)
    assert len(chain) == 3
    for link, issuer in zip(chain, [*chain[1:], first.certificate], strict=True):
        assert issued_by(link, [issuer])


async def test_a_repeated_roll_changes_nothing_and_does_not_tell_to_finish_first(
    site: Site,
) -> None:
    await site.ensure()
    await site.ask(ROLL)
    rolled = await site.secrets.read(CA_SECRET)

    answer = await site.ask(ROLL)

    assert await site.secrets.read(CA_SECRET) == rolled
    assert (answer.is_refusal, "rolled over already" in answer.message) == (False, True)


async def test_a_rollover_takes_out_its_former_ca_and_no_root_of_others(site: Site) -> None:
    own, other = Authority.create("flotta-ca"), Authority.create("Corp Root", "Corp")
    await site.put(
        Authority(own.certificate, own._key, own.certificate_pem + other.certificate_pem)
    )

    assert "nothing is left to finish" in (await site.ask(FINISH)).message
    assert not (await site.ask(ROLL)).is_refusal
    material = await site.ensure()
    assert len(load_bundle(material.authority.certificate_pem)) == 3
    assert load_bundle(material.public["former.crt"]) == [own.certificate]

    assert not (await site.ask(FINISH)).is_refusal
    material = await site.ensure()
    left = load_bundle(material.authority.certificate_pem)
    assert left == [material.authority.certificate, other.certificate]
    assert "former.crt" not in material.public


async def test_our_server_certificate_follows_a_ca_of_the_users_own_pki(site: Site) -> None:
    corporate, next_one = (Authority.create(f"Corp CA {number}", "Corp") for number in (1, 2))
    await site.put(corporate)
    assert (await site.ensure()).bundle
    await site.put(next_one)

    material = await site.ensure()

    assert issued_by(load_certificate(material.server.certificate), [next_one.certificate])
    assert material.bundle


async def test_a_server_certificate_of_the_users_own_pki_is_left_alone(site: Site) -> None:
    pki = Authority.create("Corp CA", "Corp")
    key_and_certificate = foreign_server(pki)
    await site.put(Authority.create("flotta-ca"))
    await site.secrets.create(HOST_SECRET, key_and_certificate)
    assert (await site.ensure()).server.certificate == key_and_certificate["server.crt"]


def foreign_server(pki: Authority) -> dict[str, bytes]:
    """Return a server certificate whose subject is not one of a fleet."""
    issued = pki.issue_client("edge.example")
    return {"server.crt": issued.certificate, "server.key": issued.key}


LEFT = LeftBehind(
    devices=("shop/till-1",),
    quarantined=("shop/till-2",),
    leaving=("shop/till-3",),
    unwiped=("shop/till-4", "shop/till-5"),
    unknown=("shop/till-6",),
)


async def test_who_would_be_shut_out_is_named_by_what_to_do_about_it(site: Site) -> None:
    await site.ensure()
    await site.ask(ROLL)
    site.store.left_behind = LEFT

    answer = await site.ask(FINISH)

    assert answer.code == "FormerCAInUse"
    for words in (
        "1 device was not heard from with a certificate of the new CA: shop/till-1. ",
        "1 device is quarantined and cannot renew: shop/till-2. Release or remove",
        "1 device is being removed: shop/till-3. ",
        "2 devices were deleted and did not acknowledge the wipe: shop/till-4, shop/till-5. ",
        "1 device is unknown to this control plane: shop/till-6. ",
        "flotta certificates finish-ca --force",
    ):
        assert words in answer.message
    assert (await site.ensure()).stored.former
    forced = await site.ask(FINISH, forced=True)
    assert not forced.is_refusal
    assert forced.message.endswith(
        "Given up: shop/till-1, shop/till-2, shop/till-3, shop/till-4, shop/till-5, shop/till-6."
    )
    assert not (await site.ensure()).stored.former
