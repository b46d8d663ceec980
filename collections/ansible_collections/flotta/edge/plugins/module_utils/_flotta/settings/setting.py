# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/settings/setting.py: change that.
"""The types of settings: names, description, default, and how a value is read and checked.

An absent or empty environment variable means the default. An unusable value raises ValueError with
a sentence that names the setting and says what to use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from ..settings.durations import parse_duration

TRUE = frozenset({"true", "1", "t", "yes", "on"})
FALSE = frozenset({"false", "0", "f", "no", "off"})
NOWHERE = frozenset({"off", "0"})
EVERYWHERE = "0.0.0.0"  # noqa: S104 - only where a user asks for it
Address = tuple[str, int]  # host and port
T_co = TypeVar("T_co", covariant=True)
# Endpoint, PlainEndpoint and Flag change no field; decorating a class takes about 1 ms of each
# start.


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting(Generic[T_co]):
    """A setting under all of its names; a name is empty where there is none.

    `help` is one sentence that is true at every place: users read it in `--help`, `ansible-doc`,
    the READMEs of the roles and docs/reference/settings.md.
    """

    help: str
    default: T_co
    default_help: str = ""  # the default in words, where it follows from something else
    unit: str = ""  # of a number, as a word that `help` contains
    variable: str = ""  # in the environment of the programs
    alias: str = ""  # another name of the variable, which counts where that has no value
    flag: str = ""  # on a program's command line
    key: str = ""  # in a file: config.toml of the gateway, or that of `flotta manifests`
    option: str = ""  # of the module flotta.edge.operator; a dot leads into a dictionary
    role_input: str = ""
    option_default: object = ...  # of the module, where it is not `default`
    option_default_help: str = ""  # the default of the module in words, if it has none
    input_default: object = ...  # of the role, where it is not `default`
    required: bool = False
    live: bool = False  # whether a change takes effect without a restart of the program

    TYPE: ClassVar[str] = "text"
    ANSIBLE_TYPE: ClassVar[str] = "str"

    def read(self, environment: Mapping[str, str]) -> T_co:
        """Return the value that an environment gives the setting."""
        for name in (self.variable, self.alias):
            if name and (text := environment.get(name, "").strip()):
                return self.parse(text, name)
        return self.default

    def parse(self, text: str, name: str) -> T_co:
        """Return the value of a text that is not empty; `name` is for the sentence of an error."""
        raise NotImplementedError

    @property
    def choices(self) -> tuple[str, ...]:
        """The values that there are, empty where they cannot be listed."""
        return ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Text(Setting[str]):
    """Text, without blanks around it."""

    default: str = ""

    def parse(self, text: str, name: str) -> str:
        """Return the text."""
        return text


class Endpoint(Text):
    """`https://HOST:PORT`; `storage.endpoints` checks it."""

    TYPE: ClassVar[str] = "`https://HOST:PORT`"


class PlainEndpoint(Endpoint):
    """An Endpoint that may be `http`, too."""

    TYPE: ClassVar[str] = "`https://HOST:PORT` or `http://HOST:PORT`"


@dataclass(frozen=True, kw_only=True, eq=False)
class Duration(Text):
    """A time as Go writes it, kept as it was written; `parse_duration` reads it."""

    least: str
    most: str
    TYPE: ClassVar[str] = "duration such as `5s`, `500ms` or `1m30s`"

    def parse(self, text: str, name: str) -> str:
        """Return the text."""
        self.check(text, name)
        return text

    def check(self, value: object, name: str) -> None:
        """Raise ValueError for what is not a duration within the bounds."""
        try:
            seconds = parse_duration(str(value))
        except ValueError:
            seconds = -1.0
        if not parse_duration(self.least) <= seconds <= parse_duration(self.most):
            bounds = f"from {self.least} to {self.most}"
            raise ValueError(f"{name} is {value!r}; use a duration {bounds}, such as 5s or 500ms")


@dataclass(frozen=True, kw_only=True, eq=False)
class FilePath(Setting[Path | None]):
    """The path of a file or directory."""

    default: Path | None = None
    TYPE: ClassVar[str] = "path"
    ANSIBLE_TYPE: ClassVar[str] = "path"

    def parse(self, text: str, name: str) -> Path:
        """Return the path."""
        return Path(text)

    @property
    def path(self) -> Path:
        """The default of a setting that has one."""
        if self.default is None:
            raise TypeError(f"{self.help} has no default")
        return self.default


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice(Setting[str]):
    """One of a few words."""

    values: tuple[str, ...]
    TYPE: ClassVar[str] = "choice"

    def parse(self, text: str, name: str) -> str:
        """Return the word."""
        self.check(text, name)
        return text

    def check(self, value: object, name: str) -> None:
        """Raise ValueError for another word."""
        if value not in self.values:
            *others, last = self.values
            raise ValueError(f"{name} is {value!r}; use {', '.join(others)} or {last}")

    @property
    def choices(self) -> tuple[str, ...]:
        """The words."""
        return self.values


@dataclass(frozen=True, kw_only=True, eq=False)
class LogLevel(Choice):
    """One of the usual levels; `daemon.configure_logging` knows further names of them."""

    values: tuple[str, ...] = ("debug", "info", "warn", "error")
    default: str = "info"

    def parse(self, text: str, name: str) -> str:
        """Return the word as it is; logging is configured later, and refuses what it must."""
        return text


class Flag(Setting[bool]):
    """True or false, in any of the words that Go and people use."""

    TYPE: ClassVar[str] = "true or false"
    ANSIBLE_TYPE: ClassVar[str] = "bool"

    def parse(self, text: str, name: str) -> bool:
        """Return the truth value of a word."""
        if text.lower() not in TRUE | FALSE:
            raise ValueError(f"{name} is {text!r}; use true or false")
        return text.lower() in TRUE


@dataclass(frozen=True, kw_only=True, eq=False)
class Number(Setting[int]):
    """A whole number between two bounds, both included."""

    least: int = 0
    most: int
    TYPE: ClassVar[str] = "whole number"
    ANSIBLE_TYPE: ClassVar[str] = "int"

    def parse(self, text: str, name: str) -> int:
        """Return the number."""
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None
        if number is None or not self.least <= number <= self.most:
            raise self._error(text, name)
        return number

    def check(self, value: object, name: str) -> None:
        """Raise ValueError for what is not a number within the bounds."""
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not self.least <= value <= self.most:  # type: ignore[operator]
            raise self._error(value, name)

    def _error(self, value: object, name: str) -> ValueError:
        bounds = f"from {self.least} to {self.most}"
        return ValueError(f"{name} is {value!r}; use a whole number {bounds}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Words(Setting[tuple[str, ...]]):
    """A list: separated by commas in the environment, a repeated option on a command line."""

    default: tuple[str, ...] = ()
    values: tuple[str, ...] = ()  # the words that there are; empty means any
    TYPE: ClassVar[str] = "list"
    ANSIBLE_TYPE: ClassVar[str] = "list"

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that there are, empty for any."""
        return self.values

    def parse(self, text: str, name: str) -> tuple[str, ...]:
        """Return the words; the default when there is nothing between the commas."""
        return tuple(word.strip() for word in text.split(",") if word.strip()) or self.default


@dataclass(frozen=True, kw_only=True, eq=False)
class ListenAddress(Setting[Address | None]):
    """Where to listen: `HOST:PORT`, `:PORT` for every address, `off` (None) for nowhere."""

    TYPE: ClassVar[str] = "`HOST:PORT`, `:PORT` or `off`"

    def parse(self, text: str, name: str) -> Address | None:
        """Return host and port, None for `off`."""
        if text.lower() in NOWHERE:
            return None
        host, separator, port = text.rpartition(":")
        if not separator or not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"{name} is {text!r}; use HOST:PORT, :PORT or off")
        return host.strip("[]") or EVERYWHERE, int(port)


@dataclass(frozen=True, kw_only=True, eq=False)
class Group(Setting[None]):
    """A dictionary of the settings whose option begins with its name and a dot."""

    default: None = None
    TYPE: ClassVar[str] = "dictionary"
    ANSIBLE_TYPE: ClassVar[str] = "dict"
