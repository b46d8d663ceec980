"""Rules for names, labels and annotation keys, with the sentences of Kubernetes.

"Object Names and IDs" and "Labels and Selectors" in its documentation; RFC 1123.
"""

from __future__ import annotations

import re
import secrets

from flotta import dns1123

QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"

_qualified = re.compile(QUALIFIED)
_data_key = re.compile("[-._a-zA-Z0-9]+")

SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    f"for validation is '{dns1123.LABEL}(\\.{dns1123.LABEL})*')"
)
LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    f"for validation is '{dns1123.LABEL}')"
)
QUALIFIED_TEXT = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    f"validation is '{QUALIFIED}')"
)
LABEL_KEY_TEXT = (
    f"a valid label key {QUALIFIED_TEXT} with an optional DNS subdomain prefix and '/' "
    "(e.g. 'example.com/MyName')"
)
LABEL_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    f"or '12345', regex used for validation is '({QUALIFIED})?')"
)
DATA_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
    "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
# No vowels, and no digits that look like vowels, so that no word can come out.
GENERATED = "bcdfghjklmnpqrstvwxz2456789"
MAX_PREFIX = 58  # characters of a generateName that are kept; five more make a DNS label


def subdomain_problem(name: str) -> str:
    """Return why a name is not a DNS subdomain (RFC 1123); empty when it is one."""
    if len(name) > dns1123.MAX_SUBDOMAIN:
        return f"must be no more than {dns1123.MAX_SUBDOMAIN} characters"
    return "" if dns1123.is_subdomain(name) else SUBDOMAIN_TEXT


def dns_label_problem(name: str) -> str:
    """Return why a name is not a DNS label (RFC 1123); empty when it is one."""
    if "." in name:
        return "must not contain dots"
    if len(name) > dns1123.MAX_LABEL:
        return f"must be no more than {dns1123.MAX_LABEL} characters"
    return "" if dns1123.is_label(name) else LABEL_TEXT


def qualified_problems(name: str) -> list[str]:
    """Return why a label or annotation key (`prefix/name`) is refused; empty when it is fine."""
    prefix, slash, last = name.rpartition("/")
    if "/" in prefix:
        return [LABEL_KEY_TEXT]
    problems = []
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif prefix and subdomain_problem(prefix):
        problems.append(f"prefix part {subdomain_problem(prefix)}")
    if not last:
        problems.append("name part must be non-empty")
    elif len(last) > 63:
        problems.append("name part must be no more than 63 bytes")
    return problems if _qualified.fullmatch(last) else [*problems, f"name part {QUALIFIED_TEXT}"]


def label_value_problem(value: str) -> str:
    """Return why the value of a label is refused; empty when it is fine."""
    if len(value) > 63:
        return "must be no more than 63 bytes"
    return "" if not value or _qualified.fullmatch(value) else LABEL_VALUE_TEXT


def data_key_problem(key: str) -> str:
    """Return why a key of a Secret or ConfigMap is refused; empty when it is fine."""
    if len(key) > 253:
        return "must be no more than 253 characters"
    if key in (".", "..") or key.startswith(".."):
        return f"must not {'be' if key in ('.', '..') else 'start with'} '{key[:2]}'"
    return "" if _data_key.fullmatch(key) else DATA_KEY_TEXT


def generate_name(prefix: str) -> str:
    """Return a name for metadata.generateName: the prefix, cut to size, and five characters."""
    suffix = "".join(secrets.choice(GENERATED) for _ in range(5))
    return prefix[:MAX_PREFIX] + suffix
