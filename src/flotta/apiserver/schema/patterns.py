"""Regular expressions of schemas and rules, with the meaning that Go gives them."""

from __future__ import annotations

import re


class Pattern:
    """A pattern and its `text`.

    In Go `$` only matches at the end; in Python also before a newline at the end.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._compiled = re.compile(re.sub(r"\$$", r"\\Z", text))

    def matches(self, value: str) -> bool:
        """Tell whether the pattern matches anywhere in the value."""
        return self._compiled.search(value) is not None
