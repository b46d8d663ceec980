# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/printable_text.py: change that.
"""Text of another party, as it may be stored, logged and printed.

What a device, a pod or an unknown client says reaches terminals, logs and tables. A terminal obeys
control sequences, a line break forges a line, and marks that nobody sees reorder or hide letters
(Unicode Technical Report 36, section 2; CVE-2021-25743 of kubectl).
"""

from __future__ import annotations

import re

LIMIT = 1024  # characters; what Kubernetes allows for the note of an Event
ELLIPSIS = "…"
REPLACEMENT = "\ufffd"

# Controls (C0, DEL, C1), line and paragraph separator, lone surrogates, annotation marks, and
# what is invisible by Unicode's property Default_Ignorable_Code_Point: marks and isolates of
# writing direction, zero-width letters, joiners, fillers, variation selectors, tags.
UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufff9-\ufffb"
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def printable(text: str, limit: int = LIMIT) -> str:
    r"""Return the text on one line, with a visible sign for each character that acts or hides.

    C0 controls and DEL become their picture (`\n` is "␊"), all others U+FFFD, one for one. A text
    of more than `limit` characters ends with an ellipsis at that length. Printable text is
    returned unchanged, so that the function may be applied again where the text goes out.
    """
    text = cut(text, limit)
    if text.isascii() and text.isprintable():
        return text  # nearly all are: reports have hundreds of texts
    return UNPRINTABLE.sub(_sign, text)


def printable_lines(text: str) -> str:
    """Return a text of our own that quotes others: its line breaks stay, all else is printable."""
    return "\n".join(printable(line, len(line)) for line in text.split("\n"))


def cut(text: str, limit: int) -> str:
    """Return the text, with an ellipsis as its last character if it had more than `limit`."""
    if len(text) <= limit:
        return text
    return text[: max(limit - len(ELLIPSIS), 0)] + ELLIPSIS[:limit]


def _sign(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < ord(" "):
        return chr(0x2400 + code)  # the block Control Pictures has them in this order
    return "␡" if code == ord("\x7f") else REPLACEMENT
