"""The table of boundaries in the architecture and `roles.yaml` say the same, in both directions."""

from __future__ import annotations

import re
from typing import NamedTuple

from flotta.resources import roles
from unit.docs.pages import ROOT

ROW = re.compile(r"^\| `(flotta-[a-z-]+)`( as provisioner)? \|(.*)\|$", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")


class Grant(NamedTuple):
    """One verb on one resource in one place, and what is excepted from it."""

    user: str
    resource: str
    name: str  # of one object, "" for all
    namespace: str  # "" for all
    verb: str
    excepted: frozenset[str]


def documented() -> set[Grant]:
    text = (ROOT / "docs/architecture.md").read_text().partition("## Security boundaries")[2]
    found: list[Grant] = []
    for user, _, cells in ROW.findall(text):
        resources, names, namespaces, verbs, excepted = (cell.strip() for cell in cells.split("|"))
        assert names == "all" or CODE.findall(names), names
        assert namespaces == "all" or CODE.findall(namespaces), namespaces
        found += [
            Grant(user, resource, name, namespace, verb, frozenset(CODE.findall(excepted)))
            for resource in CODE.findall(resources)
            for name in CODE.findall(names) or [""]
            for namespace in CODE.findall(namespaces) or [""]
            for verb in verbs.split(", ")
        ]
    assert len(found) == len(set(found)), "the table says something twice"
    return set(found)


def granted() -> set[Grant]:
    return {
        Grant(user, resource, name, namespace, verb, rule.except_namespaces | rule.except_true)
        for role in roles.load().roles
        for user in role.users
        for rule in role.rules
        for resource in rule.resources
        for name in rule.names or [""]
        for namespace in rule.namespaces or [""]
        for verb in rule.verbs
    }


def test_every_right_is_in_the_table() -> None:
    assert granted() - documented() == set()


def test_the_table_has_no_right_that_is_not_granted() -> None:
    assert documented() - granted() == set()


def test_the_tables_words_are_the_only_names_of_resources() -> None:
    groups: dict[str, set[str]] = {}
    for role in roles.load().roles:
        for rule in role.rules:
            for resource in rule.resources:
                groups.setdefault(resource, set()).update(rule.groups)
    assert {resource for resource, found in groups.items() if len(found) > 1} == set()
