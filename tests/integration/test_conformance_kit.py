"""The conformance kit: green on stores that keep the rules, red for the rule that one breaks."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import breakages_of_joining
import breakages_of_leaving
import breakages_of_serving
import pytest
from aiohttp import web
from broken_stores import (
    BREAKAGES,
    PATIENT,
    Breakage,
    Middleware,
    Respond,
    State,
    broken_store,
    failure,
    is_at,
)
from configuration_site import PROGRAM, ConfigurationSite, Pki, configuration_api
from edge_site import SOURCE
from old_store import old_store

from flotta.configuration_api.conformance.__main__ import main
from flotta.configuration_api.conformance.catalogue import RULES
from flotta.configuration_api.conformance.certificates import require_comparable
from flotta.configuration_api.conformance.hook import CommandHook
from flotta.configuration_api.conformance.outcomes import Failed
from flotta.configuration_api.conformance.rule import Rule
from flotta.configuration_api.conformance.rules.joining import namespaces_apart
from flotta.configuration_api.conformance.run import Result, Verdict, run_rules
from flotta.configuration_api.conformance.store_client import StoreClient
from flotta.configuration_api.conformance.trial import Trial
from flotta.identity.ssl_contexts import client_context, server_context

TOPICS = breakages_of_joining, breakages_of_leaving, breakages_of_serving  # they fill BREAKAGES
AT_ONCE = 8  # stores that are checked at the same time: most of the time is that of held requests
TLS_RULES = {"client-certificate", "other-certificate"}
OF_ALL_RESPONSES = {"content-type", "errors-are-json", "in-time", "small-responses"}
QUICK = ("--hold", "1", "--timeout", "60")
KIT = "flotta.configuration_api.conformance"
# What the page says a hook is, for the reference server.
HOOK = """#!/bin/sh
case $1 in
configure) exec {program} put $2/$3 $4 --database {database} ;;
forget) exec {program} forget $2/$3 --force --database {database} ;;
*) exec {program} $1 $2/$3 --database {database} ;;
esac
"""
Results = Mapping[str, list[Result]]


async def wants_all_headers(request: web.Request, respond: Respond, _: State) -> Any:
    """Keep all rules, and refuse what an Edge API never sends."""
    headers = request.headers
    if not request.match_info.get("device_id"):
        return await respond()
    wanted = {"Flotta-Peer"}
    if headers.get("Flotta-Peer") == "device":
        wanted.add("Flotta-Device-UID")
    if is_at(request, "POST", "enrolment") or is_at(request, "PUT", "registration"):
        wanted.add("Flotta-Public-Key-Fingerprint")
    if is_at(request, "PUT", "heartbeat"):
        wanted.add("Flotta-Message-ID")
    return await respond() if wanted <= set(headers) else failure(400)


KEEPS_ALL = Breakage("", "wants_all_headers", wants_all_headers)


async def check_all(
    directory: Path, stores: Sequence[Breakage], rules_of: Callable[[Breakage], Sequence[Rule]]
) -> Results:
    """Return what the kit says of each store about some rules, by the name of what breaks it."""
    slots = asyncio.Semaphore(AT_ONCE)
    found = await asyncio.gather(
        *(check(directory / one.name, one, rules_of(one), slots) for one in stores)
    )
    return {store.name: result for store, result in zip(stores, found, strict=True)}


async def check(
    directory: Path, store: Breakage, rules: Sequence[Rule], slots: asyncio.Semaphore
) -> list[Result]:
    async with (
        slots,
        broken_store(directory, store.middleware) as (url, hook),
        StoreClient(url) as client,
    ):
        trial = Trial(client, url, hook, "default", store.limits)
        return [result async for result in run_rules(trial, rules)]


def of(verdict: Verdict, results: list[Result]) -> dict[str, str]:
    return {result.rule.name: result.sentence for result in results if result.verdict is verdict}


async def test_a_store_that_keeps_all_rules_passes(tmp_path: Path) -> None:
    (results,) = (await check_all(tmp_path, [KEEPS_ALL], lambda _: RULES)).values()
    assert of(Verdict.FAIL, results) == {}
    assert set(of(Verdict.SKIP, results)) == TLS_RULES


def test_there_is_a_broken_store_for_each_rule() -> None:
    assert {store.rule for store in BREAKAGES} | TLS_RULES == {rule.name for rule in RULES}
    assert len({store.name for store in BREAKAGES}) == len(BREAKAGES)


async def test_a_store_that_breaks_a_rule_fails_that_rule(tmp_path: Path) -> None:
    def rules_of(store: Breakage) -> list[Rule]:
        return [rule for rule in RULES if store.rule == rule.name or store.rule in OF_ALL_RESPONSES]

    results = await check_all(tmp_path, BREAKAGES, rules_of)
    wrong = {store.name: fault for store in BREAKAGES if (fault := fault_of(store, results))}
    assert wrong == {}


@pytest.mark.deep
@pytest.mark.timeout(1800)
async def test_a_store_that_breaks_one_rule_fails_no_other(tmp_path: Path) -> None:
    results = await check_all(tmp_path, BREAKAGES, lambda _: RULES)
    wrong = {store.name: fault for store in BREAKAGES if (fault := fault_of(store, results))}
    assert wrong == {}


def fault_of(store: Breakage, results: Results) -> dict[str, str]:
    """Return what the kit said instead of what is wrong with a store, and with nothing else."""
    failed = of(Verdict.FAIL, results[store.name])
    sentence = failed.get(store.rule, "")
    is_told = list(failed) == [store.rule] and ("expected" in sentence or "at most" in sentence)
    return {} if is_told else failed or {store.rule: "it was not noticed"}


async def test_a_store_of_v0_2_passes_without_the_additions() -> None:
    async with old_store() as store, StoreClient(store.url) as client:
        trial = Trial(client, store.url, store, "default", PATIENT)
        results = [result async for result in run_rules(trial)]
    assert of(Verdict.FAIL, results) == {}
    skipped = set(of(Verdict.SKIP, results)) - TLS_RULES
    assert all("(an addition)" in of(Verdict.SKIP, results)[name] for name in skipped), skipped
    assert {"changes-form", "disconnect", "registration-key"} <= skipped


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConfigurationSite]:
    directory = tmp_path_factory.mktemp("reference")
    with configuration_api(directory, pki=Pki.create(directory)) as started:
        yield started


def run_kit(site: ConfigurationSite, *options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", KIT, *map(str, options)],
        cwd=site.directory,
        env={"PYTHONPATH": str(SOURCE), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def identities(pki: Pki) -> list[object]:
    client, device = pki.files("client"), pki.files("device")
    return [
        *("--ca", pki.ca, "--cert", client.certificate, "--key", client.key),
        *("--other-cert", device.certificate, "--other-key", device.key),
    ]


def test_the_reference_server_keeps_all_rules_over_tls(site: ConfigurationSite) -> None:
    assert site.pki is not None
    hook = site.directory / "hook.sh"
    program = f"env PYTHONPATH={SOURCE} {sys.executable} -m {PROGRAM}"
    hook.write_text(HOOK.format(program=program, database=site.database))
    hook.chmod(0o700)
    url = f"https://127.0.0.1:{site.port}"
    done = run_kit(site, url, *identities(site.pki), "--hook", hook, *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RULES)} pass, 0 fail, 0 skip" in done.stdout
    assert "No device" in site.command("list").stdout, "the hook forgets them"


async def checks_one_operation(request: web.Request, respond: Respond, _: State) -> Any:
    """Refuse whoever is not the Edge API, but only what the kit asks first."""
    peer = request.get_extra_info("peercert") or {}
    is_edge_api = ("organizationName", "flotta-edge-api") in [
        pair for name in peer.get("subject", ()) for pair in name
    ]
    first = is_at(request, "GET", "registration")
    return failure(403) if first and not is_edge_api else await respond()


@pytest.mark.parametrize("middleware", [None, checks_one_operation])
@pytest.mark.parametrize("rule", sorted(TLS_RULES))
async def test_a_store_that_serves_anybody_fails_the_rule(
    tmp_path: Path, rule: str, middleware: Middleware | None
) -> None:
    pki = Pki.create(tmp_path)
    server = pki.files("server")
    tls = server_context(server.certificate, server.key, pki.ca)
    if rule == "client-certificate":
        tls.verify_mode = ssl.CERT_OPTIONAL
    stranger = None if rule == "client-certificate" else pki.context("device")
    async with (
        broken_store(tmp_path, middleware, tls) as (url, hook),
        StoreClient(url, pki.context()) as client,
    ):
        anonymous = client_context(pki.ca)
        trial = Trial(client, url, hook, "default", PATIENT, anonymous, stranger)
        found = next(entry for entry in RULES if entry.name == rule)
        with pytest.raises(Failed, match="expected 401, 403 or no TLS connection"):
            await found.check(trial)


def test_without_a_hook_the_kit_says_what_it_could_not_check(tmp_path: Path) -> None:
    with configuration_api(tmp_path, "--auto-approve") as site:
        done = run_kit(site, site.url, *QUICK)
    assert done.returncode == 0, done.stdout
    assert "it needs --hook, which is called with `configure NAMESPACE ID FILE`" in done.stdout
    assert "pass  16 registration-recorded" in done.stdout, "the store approves by itself"


def test_the_kit_says_why_it_cannot_check(
    site: ConfigurationSite, capsys: pytest.CaptureFixture[str]
) -> None:
    assert site.pki is not None
    url = f"https://127.0.0.1:{site.port}"
    for options, sentence in (
        ([], "name the URL"),
        (["x"], "use https://HOST:PORT"),
        ([url, "--cert", site.pki.files("client").certificate], "--cert and --key belong together"),
        ([url], "cannot be reached"),
        (["http://127.0.0.1:1"], "cannot be reached"),
        ([url, "--namespace", "A"], "--namespace must be"),
        ([url, "--hold", "0"], "--hold must be 1 to 60"),
        ([url, "--timeout", "nan"], "--timeout must be more than 0"),
        ([url, "--ca", "nofile"], "--ca nofile: there is no such file"),
        ([url, "--ca", site.pki.ca, "--hook", " "], "there is no such command"),
        ([url, "--ca", site.pki.ca, "--hook", "./nothing.sh"], "there is no such command"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(list(map(str, options)))
        assert ended.value.code == 2
        assert sentence in capsys.readouterr().err


async def test_a_hook_that_the_system_cannot_start_fails_what_needs_it(tmp_path: Path) -> None:
    script = tmp_path / "hook"
    script.write_bytes(b"\x7fELF nothing that runs")
    script.chmod(0o700)
    hook = CommandHook(str(script))
    with pytest.raises(Failed, match="the hook `approve` cannot be started"):
        await hook.approve("default", "d")
    await hook.forget("default", "d")


def test_the_other_certificate_must_show_something(tmp_path: Path) -> None:
    directories = tmp_path / "one", tmp_path / "other"
    for directory in directories:
        directory.mkdir()
    own, foreign = map(Pki.create, directories)
    client = own.files("client").certificate
    require_comparable(client, own.files("device").certificate)
    with pytest.raises(ValueError, match="of another CA than --cert"):
        require_comparable(client, foreign.files("device").certificate)
    with pytest.raises(ValueError, match="as --cert is"):
        require_comparable(client, client)
    with pytest.raises(ValueError, match="not a certificate in PEM"):
        require_comparable(client, own.files("device").key)


async def test_the_namespaces_differ_whatever_that_of_the_kit_is_called(tmp_path: Path) -> None:
    async with broken_store(tmp_path, None) as (url, hook), StoreClient(url) as client:
        await namespaces_apart.check(Trial(client, url, hook, "conformance-other", PATIENT))


def test_the_rules_can_be_listed(site: ConfigurationSite) -> None:
    listed = run_kit(site, "--list").stdout.splitlines()
    assert len(listed) == len(RULES)
    assert "unknown-is-unknown: A device that is not on record" in listed[3]
