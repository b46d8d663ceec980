"""Check whether a data store keeps the rules of the Edge Configuration API."""

from __future__ import annotations

import argparse
import asyncio
import ssl
import sys
from collections import Counter
from pathlib import Path

from flotta.configuration_api.conformance.catalogue import RULES
from flotta.configuration_api.conformance.certificates import require_comparable
from flotta.configuration_api.conformance.hook import CommandHook, Hook, NoHook
from flotta.configuration_api.conformance.outcomes import Unreachable
from flotta.configuration_api.conformance.run import Result, Verdict, run_rules
from flotta.configuration_api.conformance.store_client import StoreClient
from flotta.configuration_api.conformance.trial import Limits, Trial
from flotta.dns1123 import is_label
from flotta.identity.ssl_contexts import client_context
from flotta.protocol.store_url import checked_url

FAILED, UNUSABLE = 1, 2  # exit statuses
LONGEST_HOLD, LONGEST_TIMEOUT = 60, 60  # seconds


def main(arguments: list[str] | None = None) -> None:
    """Print a line for each rule; exit with 1 if one fails, with 2 if nothing can be checked."""
    options = _parser().parse_args(arguments)
    if options.list:
        for number, rule in enumerate(RULES, 1):
            sys.stdout.write(f"{number:2}  {rule.name}: {rule.sentence}\n")
        return
    try:
        counts = asyncio.run(_run(options))
    except (ValueError, OSError, Unreachable) as error:  # ssl.SSLError is an OSError
        sys.stderr.write(f"conformance: {error}\n")
        sys.exit(UNUSABLE)
    sys.stdout.write(", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict) + "\n")
    sys.exit(FAILED if counts[Verdict.FAIL] else 0)


async def _run(options: argparse.Namespace) -> Counter[Verdict]:
    _check(options)
    counts: Counter[Verdict] = Counter()
    hook: Hook = NoHook() if options.hook is None else CommandHook(options.hook)
    async with StoreClient(options.url, _tls(options, options.cert, options.key)) as client:
        await client.require_reachable()
        trial = Trial(
            client,
            options.url,
            hook,
            options.namespace,
            Limits(options.timeout, options.hold),
            _tls(options),
            _tls(options, options.other_cert, options.other_key) if options.other_cert else None,
        )
        async for result in run_rules(trial):
            counts[result.verdict] += 1
            _print(result)
    return counts


def _print(result: Result) -> None:
    head = f"{result.verdict.value}  {result.number:2} {result.rule.name}"
    lines = [head if result.verdict is not Verdict.FAIL else f"{head}: {result.rule.sentence}"]
    if result.sentence:
        lines.append(f"      {result.sentence}")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _check(options: argparse.Namespace) -> None:
    if not options.url:
        raise ValueError("name the URL of the store, or use --list")
    checked_url(options.url, "URL")
    if not is_label(options.namespace):
        raise ValueError("--namespace must be a DNS label")
    for one, other in (("cert", "key"), ("other_cert", "other_key")):
        if bool(getattr(options, one)) != bool(getattr(options, other)):
            flags = (f"--{name.replace('_', '-')}" for name in (one, other))
            raise ValueError(f"{' and '.join(flags)} belong together")
    _check_numbers(options)
    _check_certificates(options)


def _check_numbers(options: argparse.Namespace) -> None:
    if not 1 <= options.hold <= LONGEST_HOLD:
        raise ValueError(f"--hold must be 1 to {LONGEST_HOLD} seconds")
    if not 0 < options.timeout <= LONGEST_TIMEOUT:
        raise ValueError(f"--timeout must be more than 0, at most {LONGEST_TIMEOUT} seconds")


def _check_certificates(options: argparse.Namespace) -> None:
    for name in ("ca", "cert", "key", "other_cert", "other_key"):
        if (file := getattr(options, name)) is not None and not file.is_file():
            raise ValueError(f"--{name.replace('_', '-')} {file}: there is no such file")
    if options.cert is not None and options.other_cert is not None:
        require_comparable(options.cert, options.other_cert)


def _tls(
    options: argparse.Namespace, certificate: Path | None = None, key: Path | None = None
) -> ssl.SSLContext | None:
    """Return TLS as an Edge API has it; None for the CAs of the system."""
    if options.ca is None and certificate is None:
        return None
    trust: list[Path] = [options.ca] if options.ca is not None else []
    context = client_context(trust, certificate, key, check_time=True)
    if not trust:
        context.load_default_certs()
    return context


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flotta.configuration_api.conformance", description=__doc__
    )
    add = parser.add_argument
    add("url", nargs="?", metavar="URL", help="of the store; the base path may be left out")
    add("--list", action="store_true", help="print the rules and check nothing")
    add("--ca", type=Path, metavar="FILE", help="CA of the store's certificate, PEM")
    add("--cert", type=Path, metavar="FILE", help="client certificate of the Edge API, PEM")
    add("--key", type=Path, metavar="FILE", help="its private key, PEM")
    add("--other-cert", type=Path, metavar="FILE", help="a device's certificate, to be refused")
    add("--other-key", type=Path, metavar="FILE", help="its private key, PEM")
    add(
        "--hook",
        metavar="COMMAND",
        help="called with `approve NAMESPACE ID`, `configure NAMESPACE ID FILE`, `unregister "
        "NAMESPACE ID` and, at the end, `forget NAMESPACE ID`, for what the API has no request for",
    )
    add("--namespace", default="default", help="of the devices of the kit (default: default)")
    add("--timeout", type=float, default=Limits.response, metavar="SECONDS", help="for a response")
    add("--hold", type=int, default=Limits.hold, metavar="SECONDS", help="for held requests")
    return parser


if __name__ == "__main__":
    main()
