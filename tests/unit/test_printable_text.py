from __future__ import annotations

import pytest

from flotta.printable_text import printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text, Umläute, 日本語 and 🛰", "plain text, Umläute, 日本語 and 🛰"),
        ("ok\n\x1b[2JForged line", "ok␊␛[2JForged line"),
        ("a\tb\rc\x00d\x7fe", "a␉b␍c␀d␡e"),
        ("\x85\x9b31m\u2028\u2029", "��31m��"),
        ("\u202eevil\u2066\u2069\u200f\u061c", "�evil����"),
        ("pay\u200bro\u200dll\ufeff\u2060\u00ad", "pay�ro�ll���"),
        ("\ud800 and \udfff", "� and �"),
        ("\U000e0041\ufe0f\u3164\ufff9", "����"),
        ("", ""),
    ],
)
def test_a_character_that_acts_or_hides_is_replaced_by_a_visible_one(
    text: str, expected: str
) -> None:
    assert printable(text) == expected
    assert printable(expected) == expected


def test_every_control_of_unicode_is_replaced() -> None:
    controls = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]

    assert not any(control in printable(control) for control in controls)
    assert all(len(printable(control)) == 1 for control in controls)


def test_a_long_text_is_cut_with_an_ellipsis_at_the_limit() -> None:
    assert printable("x" * 10, limit=10) == "x" * 10
    assert printable("x" * 11, limit=10) == "x" * 9 + "…"
    assert printable("x" * 2_000_000, limit=64) == "x" * 63 + "…"
    assert printable("xy", limit=1) == "…"
    assert printable("x", limit=0) == ""
    assert len(printable("x" * 5000)) == 1024
