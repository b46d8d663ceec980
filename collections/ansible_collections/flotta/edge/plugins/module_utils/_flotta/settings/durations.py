# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/settings/durations.py: change that.
"""Times as Go writes them: `5s`, `500ms`, `1m30s`."""

from __future__ import annotations

import re

UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
LONGEST = 64  # characters


def parse_duration(text: str) -> float:
    """Return the seconds of a duration, as `time.ParseDuration` of Go reads it, without a sign.

    Raises ValueError for anything else.
    """
    if text == "0":
        return 0.0
    if not text or len(text) > LONGEST or PART.sub("", text):
        raise ValueError(f"{text[:LONGEST]!r} is not a duration")
    return float(sum(float(number) * UNITS[unit] for number, unit in PART.findall(text)))
