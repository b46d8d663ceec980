"""How the check of a rule ends, other than well."""

from __future__ import annotations


class Failed(Exception):
    """The store breaks the rule; the sentence says what it did and what it should have done."""


class Skipped(Exception):
    """The rule cannot be checked here; the sentence says why, and what would help."""


class Unreachable(Exception):
    """The store cannot be reached at all."""
