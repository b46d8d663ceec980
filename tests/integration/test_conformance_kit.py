"""The conformance kit: green on stores that keep the rules, red for the rule that one breaks."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from broken_stores import BREAKAGES, broken_store
from configuration_site import PROGRAM, ConfigurationSite, Pki, configuration_api
from edge_site import SOURCE
from old_store import old_store

from flotta.configuration_api.conformance.catalogue import RULES
from flotta.configuration_api.conformance.run import Result, Verdict, run_rules
from flotta.configuration_api.conformance.store_client import StoreClient
from flotta.configuration_api.conformance.trial import Limits, Trial
from flotta.identity.ssl_contexts import client_context, open_server_context, server_context

AT_ONCE = 6  # stores that are checked at the same time: most of the time is that of held requests
PATIENT = Limits(response=60, hold=1)  # the machine may stand still for seconds
TLS_RULES = {"client-certificate", "other-certificate"}
QUICK = ("--hold", "1", "--timeout", "60")
NOTHING = "nothing"  # the store that breaks no rule
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


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Return what the kit says of each store, by the rule that it breaks."""
    return asyncio.run(check_all(tmp_path_factory.mktemp("stores")))


async def check_all(directory: Path) -> Results:
    slots = asyncio.Semaphore(AT_ONCE)
    rules = [NOTHING, *BREAKAGES]
    found = await asyncio.gather(*(check(directory / rule, rule, slots) for rule in rules))
    return dict(zip(rules, found, strict=True))


async def check(directory: Path, rule: str, slots: asyncio.Semaphore) -> list[Result]:
    async with (
        slots,
        broken_store(directory, BREAKAGES.get(rule)) as (url, hook),
        StoreClient(url) as client,
    ):
        limits = Limits(hold=1) if rule == "in-time" else PATIENT
        trial = Trial(client, url, hook, "default", limits)
        return [result async for result in run_rules(trial)]


def of(verdict: Verdict, results: list[Result]) -> dict[str, str]:
    return {result.rule.name: result.sentence for result in results if result.verdict is verdict}


def test_a_store_that_keeps_all_rules_passes(results: Results) -> None:
    assert of(Verdict.FAIL, results[NOTHING]) == {}
    assert set(of(Verdict.SKIP, results[NOTHING])) == TLS_RULES


def test_there_is_a_broken_store_for_each_rule() -> None:
    assert set(BREAKAGES) | TLS_RULES == {rule.name for rule in RULES}


@pytest.mark.parametrize("rule", BREAKAGES)
def test_a_store_that_breaks_one_rule_fails_that_rule_alone(results: Results, rule: str) -> None:
    failed = of(Verdict.FAIL, results[rule])
    assert list(failed) == [rule], failed
    assert "expected" in failed[rule] or "at most" in failed[rule], failed[rule]


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


@pytest.mark.parametrize("rule", sorted(TLS_RULES))
async def test_a_store_that_serves_anybody_fails_the_rule(tmp_path: Path, rule: str) -> None:
    pki = Pki.create(tmp_path)
    server = pki.files("server")
    tls = (
        open_server_context(server.certificate, server.key)
        if rule == "client-certificate"
        else server_context(server.certificate, server.key, pki.ca)
    )
    stranger = None if rule == "client-certificate" else pki.context("device")
    async with (
        broken_store(tmp_path, None, tls) as (url, hook),
        StoreClient(url, pki.context()) as client,
    ):
        anonymous = client_context(pki.ca)
        trial = Trial(client, url, hook, "default", PATIENT, anonymous, stranger)
        results = [result async for result in run_rules(trial)]
    assert list(of(Verdict.FAIL, results)) == [rule]


def test_without_a_hook_the_kit_says_what_it_could_not_check(tmp_path: Path) -> None:
    with configuration_api(tmp_path, "--auto-approve") as site:
        done = run_kit(site, site.url, *QUICK)
    assert done.returncode == 0, done.stdout
    assert "it needs --hook, which is called with `configure NAMESPACE ID FILE`" in done.stdout
    assert "pass  15 registration-recorded" in done.stdout, "the store approves by itself"


def test_the_kit_says_why_it_cannot_check(site: ConfigurationSite) -> None:
    assert site.pki is not None
    url = f"https://127.0.0.1:{site.port}"
    for options, sentence in (
        ([], "name the URL"),
        (["x"], "use https://HOST:PORT"),
        ([url, "--cert", site.pki.files("client").certificate], "--cert and --key belong together"),
        ([url], "cannot be reached"),
        (["http://127.0.0.1:1"], "cannot be reached"),
        ([url, "--namespace", "A"], "--namespace must be"),
    ):
        done = run_kit(site, *options)
        assert done.returncode == 2, done.stdout
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


def test_the_rules_can_be_listed(site: ConfigurationSite) -> None:
    listed = run_kit(site, "--list").stdout.splitlines()
    assert len(listed) == len(RULES)
    assert "unknown-is-unknown: A device that is not on record" in listed[3]
