"""Label and field selectors: Kubernetes' grammar, its errors, and matching.

"Labels and Selectors" and "Field Selectors" in its documentation; the fields of each kind are in
docs/reference/resource-api.md#requests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flotta.apiserver.errors import bad_request, describe_mismatch
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.names import label_value_problem, qualified_problems

Labels = Mapping[str, str]
TOKEN = re.compile(r"\s*(!=|==|=|!|<|>|\(|\)|,|[^\s!=<>(),]+)")
SYMBOLS = {"!=", "==", "=", "!", "<", ">", "(", ")", ","}
END = ""
MAX_TERMS = 100  # of a selector: each of them is compared with each object


@dataclass(frozen=True)
class Requirement:
    """A term of a label selector; operator is = != in notin exists ! > <."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Labels) -> bool:
        """Tell whether labels satisfy this term."""
        present = self.key in labels
        if self.operator in ("!=", "notin"):
            return not present or labels[self.key] not in self._accepted
        if self.operator == "!":
            return not present
        if not present:
            return False
        if self.operator == "exists":
            return True
        if self.operator in (">", "<"):
            return self._compares(labels[self.key])
        return labels[self.key] in self._accepted

    @cached_property
    def _accepted(self) -> frozenset[str]:
        return frozenset(self.values)

    def _compares(self, value: str) -> bool:
        try:
            number, limit = int(value), int(self.values[0])
        except ValueError:
            return False
        return number > limit if self.operator == ">" else number < limit


@dataclass(frozen=True)
class LabelSelector:
    """Terms on labels; all must hold, and without terms everything matches."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Labels) -> bool:
        """Tell whether labels satisfy every term."""
        return all(requirement.matches(labels) for requirement in self.requirements)


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = TOKEN.findall(text)
        self._position = 0

    def peek(self) -> str:
        position = self._position
        return self._tokens[position] if position < len(self._tokens) else END

    def next(self) -> str:
        word = self.peek()
        self._position += 1
        return word

    def requirements(self) -> list[Requirement]:
        if self.peek() == END:
            return []
        found = [self.requirement()]
        while self.peek() != END:
            word = self.next()
            if word != ",":
                raise _unparsable(f"found '{word}', expected: ',' or 'end of string'")
            found.append(self.requirement())
            if len(found) > MAX_TERMS:
                raise _unparsable(f"it has more than {MAX_TERMS} terms")
        return found

    def requirement(self) -> Requirement:
        word = self.next()
        if word == "!":
            return Requirement(self.key(self.next()), "!")
        key = self.key(word)
        operator = self.peek()
        if operator in (",", END):
            return Requirement(key, "exists")
        self.next()
        if operator in ("in", "notin"):
            return Requirement(key, operator, self.value_set(key))
        if operator in ("=", "==", "!=", ">", "<"):
            return self.comparison(key, "=" if operator == "==" else operator)
        raise _unparsable(f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt")

    def key(self, word: str) -> str:
        if word in SYMBOLS or word == END:
            raise _unparsable(f"found '{word}', expected: !, identifier, or 'end of string'")
        problems = qualified_problems(word)
        if problems:
            raise _unparsable(f'"{word}" is not a label key: {problems[0]}')
        return word

    def comparison(self, key: str, operator: str) -> Requirement:
        value = "" if self.peek() in (",", END) else self.next()
        if value in SYMBOLS:
            raise _unparsable(f"found '{value}', expected: identifier")
        if operator in (">", "<") and not re.fullmatch(r"-?\d+", value):
            raise _unparsable(
                describe_mismatch(f"the value after {operator}", value, "a whole number")
            )
        return Requirement(key, operator, (_check_value(key, value),))

    def value_set(self, key: str) -> tuple[str, ...]:
        if self.peek() != "(":
            raise _unparsable(f"found '{self.peek()}' expected: '('")
        self.next()
        values: list[str] = []
        while True:
            word = self.next()
            if word == ")":
                return tuple(values or [""])
            if word == END or word in SYMBOLS - {","}:
                raise _unparsable(f"found '{word}', expected: ',' or ')'")
            if word != ",":
                values.append(_check_value(key, word))
            if word != "," and self.peek() not in (",", ")"):
                raise _unparsable(f"found '{self.peek()}', expected: ',' or ')'")


def _check_value(key: str, value: str) -> str:
    problem = label_value_problem(value)
    if problem:
        raise _unparsable(f'"{value}" is not a value of the label {key}: {problem}')
    return value


def _unparsable(text: str) -> Exception:
    return bad_request(f"the label selector cannot be read: {text}")


def parse_label_selector(text: str) -> LabelSelector:
    """Parse `a=1,b in (x,y),!c`. Raises a 400 StatusError if that is not possible."""
    return LabelSelector(tuple(_Parser(text).requirements()))


@dataclass(frozen=True)
class FieldSelector:
    """Terms on fields: (path, equal?, value); all must hold."""

    terms: tuple[tuple[tuple[str, ...], bool, str], ...] = ()

    def matches(self, load: Callable[[], JsonObject]) -> bool:
        """Tell whether an object satisfies every term; `load` is called only if there are terms."""
        if not self.terms:
            return True
        obj = load()
        return all((_text_at(obj, path) == value) is equal for path, equal, value in self.terms)

    def required_value(self, path: tuple[str, ...]) -> str | None:
        """Return the value that the selector requires at a path, else None."""
        for term, equal, value in self.terms:
            if term == path and equal:
                return value
        return None


def _text_at(obj: Any, path: tuple[str, ...]) -> str:
    for key in path:
        obj = obj.get(key) if isinstance(obj, dict) else None
    return "" if obj is None else str(obj)


METADATA_FIELDS = {
    "metadata.name": ("metadata", "name"),
    "metadata.namespace": ("metadata", "namespace"),
}


def parse_field_selector(
    text: str, labels: Mapping[str, tuple[str, ...]], *, strict_message: bool = False
) -> FieldSelector:
    """Parse `metadata.name=a,type!=b`; `labels` maps the kind's own fields to paths."""
    known = {**METADATA_FIELDS, **labels}
    terms = []
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > MAX_TERMS:
        raise bad_request(f"the field selector cannot be read: it has more than {MAX_TERMS} terms")
    for term in filter(None, parts):
        match = re.fullmatch(r"([^=!\s]+)\s*(==|=|!=)\s*(.*)", term)
        if match is None:
            raise bad_request(f"the field selector cannot be read: '{term}' has no =, == or !=")
        name, operator, value = match.groups()
        if name not in known:
            raise bad_request(_unknown_field(name, strict_message))
        terms.append((known[name], operator != "!=", value))
    return FieldSelector(tuple(terms))


def _unknown_field(name: str, strict_message: bool) -> str:
    if strict_message:
        return f'"{name}" is not a known field selector: only "metadata.name", "metadata.namespace"'
    return f"field label not supported: {name}"
