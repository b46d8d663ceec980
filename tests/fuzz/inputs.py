"""Inputs that others could send: mutated examples, hostile texts, JSON of any shape."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

HOSTILE = (
    "",
    "..",
    ".",
    "/",
    "//",
    "../../../etc/cron.d/x",
    "a/../b",
    "/etc/passwd",
    "a\0b",
    "\x1b[2J\x07",
    "line\nFORGED: line",
    "\r\n",
    "\u202e\u2066",
    "\x85\u2028",
    "--help",
    "$(id)",
    "%2e%2e%2f",
    "a" * 300,
    "é" * 130,
    "\U0001f4a9",
    "9" * 5000,
    "-1",
    "1e400",
    "NaN",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999+23:59",
)
NUMBERS = (0, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 1e308, 0.5)
DEEP = 1200  # levels; Python counts to about 1,000
# What mutations put in: structure of the formats that are read.
PIECES = (
    b"",
    b"\0",
    b"\xff\xfe",
    b"[" * 2000,
    b'{"a":' * 1200,
    b"&a [*a,*a,*a]",
    b"<!DOCTYPE x [<!ENTITY e 'eee'>]>",
    b"-----BEGIN CERTIFICATE-----",
    b"\r\n",
    b'","',
    b"null",
    b"1e999",
    b"\\ud800",
    b"\xf0\x9f\x92\xa9",
    b"%00",
    b"../",
    b"\x1b[31m",
)


def texts() -> SearchStrategy[str]:
    """Draw texts without lone surrogates, many of them hostile."""
    characters = st.characters(exclude_categories=("Cs",))
    return st.one_of(
        st.sampled_from(HOSTILE),
        st.text(characters, max_size=40),
        st.text("ab./-_:\0\n", max_size=30),
    )


def json_values() -> SearchStrategy[Any]:
    """Draw values of JSON, of any shape."""
    leaves = st.one_of(
        st.none(), st.booleans(), st.sampled_from(NUMBERS), st.integers(-5, 5), texts()
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(texts(), inner, max_size=4)
        ),
        max_leaves=12,
    )


def like(*examples: Any) -> SearchStrategy[Any]:
    """Draw values that look like one of the examples, with up to three parts changed."""
    return st.builds(
        lambda example, number, extra: _change_parts(example, random.Random(number), extra),
        st.sampled_from(examples),
        st.integers(0, 2**32),
        st.lists(json_values(), max_size=3),
    )


def _change_parts(example: Any, chance: random.Random, extra: Sequence[Any]) -> Any:
    value = [copy.deepcopy(example)]  # so that the whole is a part as well
    for new in extra:
        if parts := list(_parts(value)):
            _change_part(*chance.choice(parts), chance, new)
    return value[0] if value else None


def _parts(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield where each part is: the list or object that has it, and its index or key."""
    places = range(len(value)) if isinstance(value, list) else [*value]
    for place in places:
        yield value, place
        if isinstance(value[place], dict | list):
            yield from _parts(value[place])


def _change_part(holder: Any, place: Any, chance: random.Random, new: Any) -> None:
    kind = chance.randrange(5)
    if kind == 0:
        del holder[place]
    elif kind == 1:
        holder[place] = new
    elif kind == 2 and isinstance(holder, dict):
        holder[chance.choice(HOSTILE)] = holder.pop(place)
    elif kind == 3 and isinstance(holder, list):
        holder += holder * 3
    else:
        holder[place] = chance.choice(HOSTILE)


def as_json(values: SearchStrategy[Any]) -> SearchStrategy[bytes]:
    """Draw the values as JSON, some of it damaged."""
    whole = values.map(lambda value: json.dumps(value).encode())
    return st.one_of(whole, whole, whole.map(_with_deep_member), whole.flatmap(mutations))


def _with_deep_member(data: bytes) -> bytes:
    """Give an object a member that nobody knows, nested so deeply that skipping it is work."""
    return data[:-1] + b', "unknown": ' + b"[" * DEEP + b"]" * DEEP + b"}"


def changes_of_bytes() -> SearchStrategy[list[tuple[int, int, bytes]]]:
    """Draw changes of bytes: place, how many are removed, what is put there."""
    piece = st.one_of(st.sampled_from(PIECES), st.binary(max_size=8))
    change = st.tuples(st.integers(0, 2**16), st.integers(0, 40), piece)
    return st.lists(change, max_size=4)


def mutations(*examples: bytes) -> SearchStrategy[bytes]:
    """Draw the examples with bytes inserted, removed or replaced, and bytes of any kind."""
    changed = st.builds(apply_changes, st.sampled_from(examples), changes_of_bytes())
    return st.one_of(changed, changed, changed, st.binary(max_size=200))


def apply_changes(data: bytes, changes: Sequence[tuple[int, int, bytes]]) -> bytes:
    """Return the bytes with these changes."""
    for place, removed, piece in changes:
        at = place % (len(data) + 1)
        data = data[:at] + piece + data[at + removed :]
    return data


def text_mutations(*examples: str) -> SearchStrategy[str]:
    """Draw the same for texts."""
    changed = mutations(*(example.encode() for example in examples))
    return st.one_of(changed.map(lambda data: data.decode(errors="replace")), texts())
