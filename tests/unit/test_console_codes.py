"""Device and control plane show the same short code for a key."""

from __future__ import annotations

import re

import pytest

from flotta.protocol.console_codes import console_code, read_console_code

# The vectors of docs/reference/wire-protocol.md#console-code.
VECTORS = {
    "0" * 64: "C3G5-QMDH",
    "072c8b65eb84397b375344d207787589293154856e545e197a60ca0bc05fd0bd": "243Z-JGJ7",
    "f" * 64: "VW3S-1WHP",
}


@pytest.mark.parametrize(("fingerprint", "code"), VECTORS.items())
def test_the_code_is_the_first_40_bits_in_base_32(fingerprint: str, code: str) -> None:
    assert console_code(fingerprint) == code
    assert console_code(fingerprint.upper()) == code


def test_any_text_gives_a_code_of_letters_that_nobody_mistakes() -> None:
    for text in ("", "é", "x" * 9999):
        assert re.fullmatch("[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", console_code(text))


@pytest.mark.parametrize("typed", ["243Z-JGJ7", "243zjgj7", " 243z jgj7\n", "2-4-3-Z-J-G-J-7"])
def test_a_typed_code_is_read_as_it_was_meant(typed: str) -> None:
    assert read_console_code(typed) == "243Z-JGJ7"


def test_letters_that_look_like_digits_are_those() -> None:
    assert read_console_code("OIL0-oil1") == "0110-0111"


@pytest.mark.parametrize(
    "typed", ["", "243Z-JGJ", "243Z-JGJ77", "243U-JGJ7", "243Z_JGJ7", "٢43ZJGJ7"]
)
def test_what_is_not_a_code_is_refused_with_a_sentence(typed: str) -> None:
    with pytest.raises(ValueError, match="is not a code: it has 8 letters"):
        read_console_code(typed)
