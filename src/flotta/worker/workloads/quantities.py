"""Quantities of Kubernetes, such as `64Mi`, `0.5` and `250m`.

Syntax: k8s.io/apimachinery/pkg/api/resource, type Quantity.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

from flotta.worker.workloads.pod_spec import invalid_specification

QUANTITY = re.compile(
    r"(?P<number>[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30}))"
    r"(?P<suffix>[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d{1,2})?"
)
FACTORS = {
    **{f"{prefix}i": Fraction(1024**power) for power, prefix in enumerate("KMGTPE", 1)},
    **{prefix: Fraction(1000**power) for power, prefix in enumerate("kMGTPE", 1)},
    **{prefix: Fraction(1, 1000**power) for power, prefix in enumerate("mun", 1)},
}


def parse_quantity(value: object) -> Fraction:
    """Return the number that a quantity stands for; raises WorkloadError InvalidSpecification."""
    match = QUANTITY.fullmatch(str(value))
    if match is None:
        raise invalid_specification(f"{str(value)[:80]!r} is not a quantity such as 64Mi or 500m")
    number, suffix = Fraction(match["number"]), match["suffix"] or ""
    if suffix in FACTORS:
        return number * FACTORS[suffix]
    return number * Fraction(10) ** int(suffix[1:] or 0)


def parse_bytes(value: object) -> int:
    """Return a quantity of bytes, rounded up; raises WorkloadError InvalidSpecification."""
    return math.ceil(parse_quantity(value))
