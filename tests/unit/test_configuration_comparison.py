"""Whether a configuration comes as it was put."""

from __future__ import annotations

import pytest

from flotta.configuration_api.conformance.comparison import find_difference


@pytest.mark.parametrize(
    ("put", "found"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": None, "b": "", "c": []}, {}),
        ({"a": {"b": [1, {"c": "x"}]}}, {"a": {"b": [1, {"c": "x", "d": None}]}}),
        (
            {"specification": "containers:\n- name: a\n"},
            {"specification": '{"containers":[{"name":"a"}]}'},
        ),
    ],
)
def test_additions_and_another_spelling_are_no_difference(put: object, found: object) -> None:
    assert find_difference(put, found) == ""


@pytest.mark.parametrize(
    ("put", "found", "sentence"),
    [
        ({"a": {"b": {}}}, {"a": {}}, "`a.b` is missing; expected {}"),
        ({"a": 30}, {"a": 60}, "`a` is 60; expected 30"),
        ({"a": [{"n": "x"}, {"n": "y"}]}, {"a": [{"n": "y"}, {"n": "x"}]}, "`a[0].n` is 'y'"),
        ({"a": [1, 2]}, {"a": [1]}, "`a` is [1]; expected [1, 2]"),
        ({"a": "1"}, {"a": "1.0"}, "`a` is '1.0'; expected '1'"),
        ({"a": "k: v"}, {"a": "k: [w"}, "`a` is 'k: [w'; expected 'k: v'"),
        ({"a": True}, {"a": []}, "`a` is []; expected True"),
    ],
)
def test_the_first_difference_is_named(put: object, found: object, sentence: str) -> None:
    assert sentence in find_difference(put, found)
