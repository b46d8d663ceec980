"""JSON merge patches (RFC 7396)."""

from __future__ import annotations

import pytest

from flotta.merge_patch import apply_merge_patch, make_merge_patch


@pytest.mark.parametrize(
    ("old", "patch", "new"),
    [
        ({"a": 1}, {}, {"a": 1}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}, {"a": {"c": 2}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": 1}, {"a": {"b": 2, "c": None}}, {"a": {"b": 2}}),
        ({}, {"a": None}, {}),
        ({"a": 1}, ["b"], ["b"]),
    ],
)
def test_a_patch_is_merged(old: object, patch: object, new: object) -> None:
    assert apply_merge_patch(old, patch) == new


def test_what_is_patched_stays_as_it_was() -> None:
    old = {"a": {"b": 1}}
    apply_merge_patch(old, {"a": {"b": None, "c": 2}})
    assert old == {"a": {"b": 1}}


def test_a_patch_says_what_is_different() -> None:
    old = {"a": 1, "b": {"c": 1, "d": 2}, "e": [1], "f": 0}
    new = {"a": 1, "b": {"c": 1, "x": 3}, "e": [1, 2], "g": {}}

    patch = make_merge_patch(old, new)

    assert patch == {"b": {"d": None, "x": 3}, "e": [1, 2], "f": None, "g": {}}
    assert apply_merge_patch(old, patch) == new
    assert make_merge_patch(new, new) == {}
