"""The short code of a key."""

from __future__ import annotations

import re

import pytest

from flotta.protocol.console_code import console_code, is_same_code

KEY = "0123456789abcdef" * 4


def test_a_key_has_the_documented_code() -> None:
    # printf %s "$KEY" | sha256sum: a8ae6e6ee9..., and 0xa8ae6e6ee9 in Crockford's base 32.
    assert console_code(KEY) == "N2Q6-WVQ9"


def test_another_key_has_another_code() -> None:
    codes = {console_code(f"{number:064x}") for number in range(1000)}
    assert len(codes) == 1000
    assert all(re.fullmatch("[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", code) for code in codes)


@pytest.mark.parametrize("written", ["n2q6-wvq9", "N2Q6 WVQ9", "n2q6wvq9"])
def test_a_code_may_be_written_in_several_ways(written: str) -> None:
    assert is_same_code(console_code(KEY), written)


def test_letters_that_are_misread_are_those_of_the_alphabet() -> None:
    assert is_same_code("01AB-1234", "OIab-l234")


@pytest.mark.parametrize("other", ["N2Q6-WVQ8", "", "N2Q6"])
def test_another_code_is_not_the_same(other: str) -> None:
    assert not is_same_code(console_code(KEY), other)
