"""Descriptions of our CRDs as texts of a module's documentation.

A CRD has Markdown, of which only `code` is used; Ansible has its own markup
(https://docs.ansible.com/ansible/latest/dev_guide/ansible_markup.html).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

CODE = re.compile(r"`([^`]*)`")
# A name in camelCase, maybe with those above it: no word of the language looks like that.
FIELD = re.compile(r"(?<![\w.`/])((?:[a-z0-9]+\.)*[a-z][a-z0-9]*[A-Z]\w*)(?![\w`(])")
SENTENCE_END = re.compile(r"(?<=\.) (?=[A-Z`]|[a-z]+[A-Z])")
ACTS = re.compile(r"\b(?:[BCEILMOPRUV]|HORIZONTALLINE)\(")  # what Ansible would take for markup


def to_sentences(
    text: str, own_path: str, paths: Mapping[str, str], values: Collection[str]
) -> list[str]:
    """Return the sentences of a description in Ansible's markup.

    `paths` has the paths of the options by the names of their fields, `values` what the field
    itself takes. Raises ValueError for a text that Ansible would take for markup.
    """
    if ACTS.search(text):
        raise ValueError(f"{own_path}: Ansible takes a part of this text for markup: {text}")
    return [_mark(sentence, own_path, paths, values) for sentence in SENTENCE_END.split(text)]


def to_sentence(rule: str) -> str:
    """Return the message of a validation rule as a sentence."""
    first = rule.split(" ", 1)[0]
    start = rule[0] if FIELD.fullmatch(first) else rule[0].upper()
    return f"{start}{rule[1:].rstrip('.')}."


def _mark(sentence: str, own_path: str, paths: Mapping[str, str], values: Collection[str]) -> str:
    def mark_code(match: re.Match[str]) -> str:
        text = match[1]
        if text in values:
            return f"V({_escape(text)})"
        if ")" in text:
            raise ValueError(f"{own_path}: C() cannot have a closing bracket: {text}")
        return f"C({text})"

    def mark_field(match: re.Match[str]) -> str:
        name = match[1]
        path = paths.get(name.rpartition(".")[2], "")
        known = path.endswith(name) and path != own_path
        return f"O({path})" if known else f"C({name})"

    return FIELD.sub(mark_field, CODE.sub(mark_code, sentence))


def _escape(text: str) -> str:
    r"""Return a value for V(): `\` and `)` have a meaning in it."""
    return text.replace("\\", r"\\").replace(")", r"\)")
