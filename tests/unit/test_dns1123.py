from __future__ import annotations

import pytest

from flotta.dns1123 import is_label, is_subdomain


@pytest.mark.parametrize("name", ["a", "a-b", "0", "a" * 63])
def test_labels(name: str) -> None:
    assert is_label(name)
    assert is_subdomain(name)


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "a\n", "ä", "a..b", ".a", "a."])
def test_what_names_nothing(name: str) -> None:
    assert not is_label(name)
    assert not is_subdomain(name)


def test_only_a_subdomain_has_dots_and_253_characters() -> None:
    assert not is_label("a.b")
    assert is_subdomain("a.b")
    assert not is_label("a" * 64)
    assert is_subdomain("a" * 253)
    assert not is_subdomain("a" * 254)
