"""Settings on the command line: the options of a parser, and what `--help` says of variables."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Iterable

from flotta.settings.setting import Flag, Setting, Words

WIDTH = 100  # columns of the help
MARGIN = 4  # columns before the description of a variable


def new_parser(
    program: str, description: str | None, settings: Iterable[Setting[object]]
) -> argparse.ArgumentParser:
    """Return a parser with the options of a program; its epilog describes the variables."""
    given = tuple(settings)
    parser = argparse.ArgumentParser(
        prog=program,
        description=description,
        epilog=describe_variables(given),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser, given)
    return parser


def add_options(parser: argparse.ArgumentParser, settings: Iterable[Setting[object]]) -> None:
    """Add an option for each setting that has a flag.

    Its default is None where the environment or a file may set it too.
    """
    for setting in settings:
        if isinstance(setting, Words) and setting.flag:
            parser.add_argument(setting.flag, action="append", default=[], help=_help(setting))
        elif setting.flag:
            elsewhere = setting.variable or setting.key
            is_flag = isinstance(setting, Flag)  # without a value it means true
            parser.add_argument(
                setting.flag,
                nargs="?" if is_flag else None,
                const=True if is_flag else None,
                type=_reader(setting),
                default=None if elsewhere else setting.default,
                required=setting.required,
                help=_help(setting),
            )


def describe_variables(settings: Iterable[Setting[object]]) -> str:
    """Return the epilog that names every environment variable; empty without any."""
    lines = [
        f"  {setting.variable}\n{_wrap(describe(setting))}"
        for setting in settings
        if setting.variable
    ]
    return "\n".join(["environment:", *lines]) if lines else ""


def describe(setting: Setting[object]) -> str:
    """Return what the setting is, and its default in parentheses."""
    default = describe_default(setting)
    notes = [f"one of {', '.join(setting.choices)}"] if setting.choices else []
    notes += [f"default: {default}"] if default else []
    text = f"{setting.help} ({'; '.join(notes)})" if notes else setting.help
    return text.replace("`", "")


def describe_default(setting: Setting[object]) -> str:
    """Return the default of a program's setting in words; empty where there is none."""
    return setting.default_help or format_value(setting.default)


def format_value(value: object) -> str:
    """Return a value as a user would write it; empty for what is empty."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        address = len(value) == 2 and isinstance(value[1], int)  # host and port
        return (":" if address else ", ").join(map(str, value))
    return "" if value in (None, {}, []) else str(value)


def _reader(setting: Setting[object]) -> Callable[[str], object]:
    def read(text: str) -> object:
        try:
            return setting.parse(text, setting.flag)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


def _help(setting: Setting[object]) -> str:
    return describe(setting).replace("%", "%%")


def _wrap(text: str) -> str:
    margin = " " * MARGIN
    return textwrap.fill(text, WIDTH, initial_indent=margin, subsequent_indent=margin)
