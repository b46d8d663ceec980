"""A view as 25 lines of 80 columns: large letters by pyfiglet, sentences by jinja2."""

from __future__ import annotations

import textwrap
import unicodedata
from dataclasses import replace
from functools import cache
from pathlib import Path

import pyfiglet
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from flotta.live.console.view import State, View
from flotta.printable_text import printable

WIDTH, HEIGHT = 80, 25
MARGIN = 2  # columns on the left
ROOM = WIDTH - 2 * MARGIN
HEADING, SMALLER = "standard", "small"  # fonts of pyfiglet; five and four lines high
TEMPLATES = Path(__file__).parent / "templates"
MAX_TEXT = 600  # characters of a text of others
MORE = "..."
WIDE = "?"  # for a letter of two columns, which the console of Linux has no picture of


def render(view: View) -> str:
    """Return the screen: at most HEIGHT lines of at most WIDTH columns, no line feed last."""
    warnings = _wrapped(_template("warnings").render(_escaped(view))) if view.warnings else []
    lines = _page(view, len(warnings))
    room = max(HEIGHT - len(lines), 0)
    if len(warnings) > room:
        warnings = [*warnings[: max(room - 1, 0)], MORE][:room]
    screen = [f"{' ' * MARGIN}{line}"[:WIDTH].rstrip() for line in [*lines, *warnings][:HEIGHT]]
    return "\n".join(screen).rstrip("\n")


def banner(text: str, font: str) -> list[str]:
    """Return a text in large letters, as it is where that does not fit."""
    drawn = pyfiglet.figlet_format(text, font=font, width=10 * WIDTH) if text.isascii() else ""
    lines = [line.rstrip() for line in drawn.splitlines() if line.strip()]
    fits = lines and max(map(len, lines)) <= ROOM
    return lines if fits else [text]


def _page(view: View, warnings: int) -> list[str]:
    """Return the lines above the warnings, of which there are so many lines."""
    texts = _escaped(view)
    sentences = _wrapped(_template(view.state.name.lower()).render(texts))
    facts = _wrapped(_template("facts").render(texts))
    large = banner(view.state.large, HEADING)
    title = f"flotta.edge {_plain(view.release)} - {view.state.value}"
    room = HEIGHT - len(large) - len(sentences) - len(facts) - 4
    second = _code(view, room) if view.state is State.WAITING else _name(view, room - warnings)
    return [title, *large, "", *second, *facts, "", *sentences, ""]


def _code(view: View, room: int) -> list[str]:
    """Return the code that people compare, which goes before warnings."""
    return _large(_plain(view.code), HEADING, room)


def _name(view: View, room: int) -> list[str]:
    """Return the device id, if there is room for large letters."""
    return _large(_plain(view.device_id), SMALLER, room)


def _large(text: str, font: str, room: int) -> list[str]:
    lines = banner(text, font) if text else []
    return [*lines, ""] if 1 < len(lines) < room else []


def _escaped(view: View) -> dict[str, object]:
    """Return the fields for the templates; what others said cannot act on the terminal."""
    return {
        "device_id": _plain(view.device_id),
        "server": _plain(view.server),
        "interfaces": [
            replace(one, name=_plain(one.name), addresses=tuple(map(_plain, one.addresses)))
            for one in view.interfaces
        ],
        "code": _plain(view.code),
        "reason": _plain(view.reason),
        "message": _sentence(view.message),
        "remedy": _sentence(view.remedy),
        "forgets_key": view.forgets_key,
        "state_remedy": _sentence(view.state_remedy),
        "warnings": [
            {"reason": _plain(reason), "message": _sentence(message)}
            for reason, message in view.warnings
        ],
    }


def _plain(text: str, limit: int = WIDTH) -> str:
    """Return a text in letters that take one column each, as a console has them."""
    narrow = (WIDE if unicodedata.east_asian_width(one) in "WF" else one for one in text[:limit])
    return printable("".join(narrow), limit)


def _sentence(text: str) -> str:
    """Return a text of others as a sentence of ours: many begin small and have no full stop."""
    plain = _plain(text.strip(), MAX_TEXT)
    if not plain.strip():
        return ""
    first = plain[0].upper() if plain.split()[0].isalpha() else plain[0]  # no name of a host
    return f"{first}{plain[1:]}{'' if plain[-1] in '.!?…' else '.'}"


def _wrapped(text: str) -> list[str]:
    """Return lines of at most ROOM columns; one that begins with blanks goes on below them."""
    lines = []
    for line in text.strip("\n").splitlines():
        indent = " " * (len(line) - len(line.lstrip()))
        lines += textwrap.wrap(
            line.strip(), ROOM, initial_indent=indent, subsequent_indent=indent
        ) or [""]
    return lines


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - a terminal, not HTML; texts are printable already
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _template(name: str) -> Template:
    return _environment().get_template(f"{name}.j2")
