"""Names that people give: refused with a sentence before a request is made of them.

A variable that is empty, or a path, must not become another object or all of them.
"""

from __future__ import annotations

from flotta.dns1123 import MAX_LABEL, MAX_SUBDOMAIN, is_label, is_subdomain

LETTERS = "lower-case letters, digits and -"


def check_name(text: str, what: str = "name") -> str:
    """Return the name of an object; raises ValueError with a sentence that begins with `what`."""
    if is_subdomain(text):
        return text
    raise ValueError(_describe(text, what, f"{MAX_SUBDOMAIN} {LETTERS}, in parts divided by dots"))


def check_namespace(text: str, what: str = "namespace") -> str:
    """Return the name of a namespace; raises ValueError with a sentence, like `check_name`."""
    if is_label(text):
        return text
    raise ValueError(_describe(text, what, f"{MAX_LABEL} {LETTERS}"))


def _describe(text: str, what: str, rule: str) -> str:
    if not text:
        return f"{what} is empty; give it a value, or leave it out where it may be left out"
    return f"{what} is {text!r}; use at most {rule}, with a letter or a digit at each end"
