"""The error of everything that makes, reads or changes an image."""

from __future__ import annotations

from flotta.protocol.reasons.reason import Code, with_code


class ImageError(ValueError):
    """Something is refused or has failed; nothing was changed.

    The text is a sentence with what to do next and the code at its end
    (docs/reference/reasons.md#while-images-are-made).
    """

    def __init__(self, reason: Code, sentence: str) -> None:
        super().__init__(with_code(sentence, reason))
        self.reason = reason
        self.sentence = sentence
