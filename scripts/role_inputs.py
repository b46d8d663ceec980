"""The inputs of the roles, as their meta/argument_specs.yml documents them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypedDict

import yaml

ROLES_FOLDER = Path(__file__).parents[1] / "collections/ansible_collections/flotta/edge/roles"
# Ansible's semantic markup; P(name#role) names a role, M(name) a module.
MARKUP = re.compile(r"\b([OVCEMP])\(([^)#]*)(?:#(\w+))?\)")


class Option(TypedDict, total=False):
    """An input as meta/argument_specs.yml documents it."""

    type: str
    elements: str
    required: bool
    default: object
    choices: list[str]
    description: str | list[str]
    options: Mapping[str, Option]


def read_inputs(role: str) -> Iterator[tuple[str, Option]]:
    """Yield name and documentation of each input of a role; a dot leads into a dictionary."""
    specs = yaml.safe_load((ROLES_FOLDER / role / "meta/argument_specs.yml").read_text())
    yield from flatten(specs["argument_specs"]["main"].get("options", {}))


def flatten(options: Mapping[str, Option], prefix: str = "") -> Iterator[tuple[str, Option]]:
    """Yield options and, below their names, those of dictionaries."""
    for name, option in options.items():
        yield prefix + name, option
        yield from flatten(option.get("options", {}), f"{prefix}{name}.")


def to_markdown(option: Option) -> str:
    """Return the description of an option in one line of Markdown."""
    paragraphs = option["description"]
    text = paragraphs if isinstance(paragraphs, str) else " ".join(paragraphs)
    return " ".join(MARKUP.sub(_quote, text).split())


def _quote(match: re.Match[str]) -> str:
    return f"`{match[2]}`"
