"""Regular expressions of schemas and rules, as Go reads them."""

from __future__ import annotations

import re


class Pattern:
    """A pattern and its `text`.

    Go's `$` is the end alone; Python's also stands before a last newline.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._compiled = re.compile(re.sub(r"\$$", r"\\Z", text))

    def matches(self, value: str) -> bool:
        """Tell whether the pattern is found in the value."""
        return self._compiled.search(value) is not None
