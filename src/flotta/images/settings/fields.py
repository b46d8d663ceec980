"""Readers of settings: a value of YAML to a checked one, or the field that is wrong.

Whoever writes settings for sticks is told the path of the field and what it should be. The text of
a secret is never repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from flotta.durable_files import read_bounded
from flotta.images.errors import ImageError
from flotta.printable_text import printable
from flotta.protocol.reasons.images import INVALID_SETTINGS

T = TypeVar("T")
Reader = Callable[[object, str], T]  # of a value and the path of its field
MAX_TEXT = 1024  # characters
MAX_LONG_TEXT = 8192  # characters
MAX_FILE = 256 * 1024  # bytes of a file that a setting names
SHOWN = 64  # characters of a wrong value


def invalid(path: str, problem: str) -> ImageError:
    """Return the error of a setting; `problem` continues the sentence that begins with its path."""
    return ImageError(INVALID_SETTINGS, f"The setting {path} {problem}.")


class Fields:
    """A mapping of settings, read by name; `finish` refuses names that nobody read.

    None is a setting that is not given, as modules have it.
    """

    def __init__(self, given: object, path: str = "") -> None:
        if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
            raise invalid(path or "file", "is not a mapping of names to values")
        self._given = {key: value for key, value in given.items() if value is not None}
        self._path = path
        self._read: set[str] = set()

    def path(self, name: str) -> str:
        """Return the path of a field."""
        return f"{self._path}.{name}" if self._path else name

    def has(self, name: str) -> bool:
        """Tell whether a field is given."""
        return name in self._given

    def take(self, name: str, read: Reader[T], default: T) -> T:
        """Return a field as its reader gives it, or the default."""
        self._read.add(name)
        return read(self._given[name], self.path(name)) if name in self._given else default

    def require(self, name: str, read: Reader[T]) -> T:
        """Return a field that has to be given."""
        if name not in self._given:
            raise invalid(self.path(name), "is missing")
        self._read.add(name)
        return read(self._given[name], self.path(name))

    def finish(self) -> None:
        """Raise ImageError for the first name that is not known."""
        unknown = sorted(self._given.keys() - self._read)
        if unknown:
            raise invalid(self.path(printable(unknown[0], SHOWN)), "is not known")


def text(value: object, path: str) -> str:
    """Read one line of printable text."""
    plain = quoted(value, path)
    if len(plain) > MAX_TEXT:
        raise invalid(path, f"has more than {MAX_TEXT} characters")
    return _seen(plain, path)


def long_text(value: object, path: str) -> str:
    """Read one line of printable text that may be as long as the key of `ssh-keygen -b 16384`."""
    plain = quoted(value, path)
    if len(plain) > MAX_LONG_TEXT:
        raise invalid(path, f"has more than {MAX_LONG_TEXT} characters")
    return _seen(plain, path)


def quoted(value: object, path: str) -> str:
    """Read a text. What YAML took for something else is refused: 0755 would be 493 by now."""
    if isinstance(value, Mapping | list | tuple):
        raise invalid(path, "is not a text")
    if not isinstance(value, str):
        raise invalid(path, "is not a text for YAML; put it in quotes")
    if not value:
        raise invalid(path, "is empty")
    return value


def _seen(plain: str, path: str) -> str:
    if printable(plain, MAX_LONG_TEXT) != plain:
        raise invalid(path, "has line breaks or characters that cannot be seen")
    return plain


def matching(
    check: Callable[[str], bool],
    wanted: str,
    *,
    secret: bool = False,
    read_text: Reader[str] = text,
) -> Reader[str]:
    """Return the reader of a text that a check accepts; `wanted` says what it should be.

    What is `secret` is not repeated in the message.
    """

    def read(value: object, path: str) -> str:
        plain = read_text(value, path)
        if not check(plain):
            shown = "is" if secret else f"is {printable(plain, SHOWN)!r}, and"
            raise invalid(path, f"{shown} not {wanted}")
        return plain

    return read


def number(low: int, high: int) -> Reader[int]:
    """Return the reader of a whole number in these bounds."""

    def read(value: object, path: str) -> int:
        plain = str(value).strip()
        digits = plain.isascii() and plain.isdigit() and len(plain) <= len(str(high))
        if isinstance(value, bool) or not digits or not low <= int(plain) <= high:
            raise invalid(path, f"is not a whole number from {low} to {high}")
        return int(plain)

    return read


def boolean(value: object, path: str) -> bool:
    """Read a truth value."""
    if not isinstance(value, bool):
        raise invalid(path, "is neither true nor false")
    return value


def items(read: Reader[T], limit: int) -> Reader[Sequence[T]]:
    """Return the reader of a list of at most so many items."""

    def read_list(value: object, path: str) -> Sequence[T]:
        if not isinstance(value, list | tuple):
            raise invalid(path, "is not a list")
        if len(value) > limit:
            raise invalid(path, f"has more than {limit} items")
        return tuple(read(item, f"{path}[{index}]") for index, item in enumerate(value))

    return read_list


def mapping(read_key: Reader[str], read: Reader[str], limit: int) -> Reader[Mapping[str, str]]:
    """Return the reader of texts by name, of at most so many."""

    def read_mapping(value: object, path: str) -> Mapping[str, str]:
        if not isinstance(value, Mapping):
            raise invalid(path, "is not a mapping of names to texts")
        if len(value) > limit:
            raise invalid(path, f"has more than {limit} names")
        names = [(read_key(key, f"{path} (a name)"), item) for key, item in value.items()]
        return {key: read(item, f"{path}.{key}") for key, item in names}

    return read_mapping


def read_content(fields: Fields, name: str, limit: int = MAX_FILE) -> bytes:
    """Return the content of a field, or of the file that `<name>_file` names; b"" for neither."""
    given = fields.take(name, _block(limit), b"")
    path = fields.take(f"{name}_file", text, "")
    if given and path:
        raise invalid(fields.path(name), f"and {name}_file exclude each other")
    if not path:
        return given
    try:
        return read_bounded(Path(path), limit)
    except OSError as error:
        raise invalid(
            fields.path(f"{name}_file"), f"cannot be read: {error.strerror or error}"
        ) from error


def _block(limit: int) -> Reader[bytes]:
    def read(value: object, path: str) -> bytes:
        if not isinstance(value, str):
            raise invalid(path, "is not a text")
        data = value.encode(errors="surrogatepass")
        if len(data) > limit:
            raise invalid(path, f"has more than {limit} bytes")
        return data

    return read
