"""Differences that users read, without secrets."""

from __future__ import annotations

import base64
from typing import Any

from flotta.installation.diff import LAST_APPLIED, diff_objects

Object = dict[str, Any]


def test_a_difference_shows_no_values_of_secrets() -> None:
    def secret(value: str) -> Object:
        data = {"a": base64.b64encode(value.encode()).decode(), "b": "c2FtZQ=="}
        copies = {
            LAST_APPLIED: f'{{"stringData": {{"a": "{value}"}}}}',
            "example.com/copy": data["a"],
        }
        metadata = {"name": "x", "resourceVersion": value, "annotations": copies}
        head = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
        return {**head, "data": data, "stringData": {"a": value}}

    found = diff_objects("Secret x", secret("old"), secret("new"))
    assert found is not None
    assert found.after is not None
    assert found.after["data"] == {"a": "(not shown; new)", "b": "(not shown)"}
    shown = (found.before, found.after)
    for value in ("b2xk", "bmV3", "'old'", "'new'", '"old"', '"new"'):
        assert value not in str(shown)
    assert diff_objects("Secret x", secret("old"), secret("old")) is None


def test_a_difference_leaves_out_the_copy_that_kubectl_keeps() -> None:
    def config(value: str) -> Object:
        copies = {LAST_APPLIED: value, "a": "b"}
        return {"kind": "ConfigMap", "metadata": {"name": "x", "annotations": copies}}

    assert diff_objects("ConfigMap x", config("old"), config("new")) is None
    found = diff_objects("ConfigMap x", config("old"), None)
    assert found is not None
    assert found.before == {
        "kind": "ConfigMap",
        "metadata": {"name": "x", "annotations": {"a": "b"}},
    }
