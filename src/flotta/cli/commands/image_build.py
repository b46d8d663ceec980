"""`flotta image build`: a base image from packages of Debian."""

from __future__ import annotations

import argparse
import sys

from flotta.images.base_record import BaseRecord
from flotta.images.build.base_image import build_base, plan_build, require_possible
from flotta.images.build.request import BaseRequest, find_architecture, find_suite
from flotta.printable_text import printable


def run(options: argparse.Namespace) -> str:
    """Return what was done; each step is said on standard error. Raises ValueError."""
    plan = plan_build(_read_request(options))
    path = printable(str(options.output))
    if plan.current and not plan.changes:
        return f"{path} is up to date: content {_short(plan.current)}"
    if options.check:
        require_possible(plan.request)
        return f"{path} would be built"
    before = plan.current
    record = build_base(plan, lambda step: print(f"flotta: {step}", file=sys.stderr))
    if record == before:
        return f"{path} is up to date: there are no newer packages"
    size = options.output.stat().st_size
    return f"{path} is built: {size} bytes, content {_short(record)}"


def _short(record: BaseRecord) -> str:
    return record.content_id[:16]


def _read_request(options: argparse.Namespace) -> BaseRequest:
    return BaseRequest(
        find_suite(options.suite),
        find_architecture(options.architecture),
        options.wheelhouse,
        options.output.absolute(),
        packages=tuple(options.package),
        components=tuple(options.component or ["main"]),
        container_images=tuple(options.container_image),
        compression=options.compression,
        mirrors=tuple(options.mirror),
        cache=options.cache.expanduser(),
        epoch=options.epoch,
        refresh=options.refresh,
        force=options.force,
    )
