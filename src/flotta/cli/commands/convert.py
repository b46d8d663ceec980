"""`flotta convert`: converts manifests of earlier releases, document by document.

What stays and what is printed where: docs/reference/command-line.md#flotta-convert.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import NamedTuple

import yaml

from flotta.fleet.yaml_dumper import dump_yaml
from flotta.migration.manifests import ConversionError, convert_manifest
from flotta.yaml_loader import load_yaml

SEPARATOR = re.compile(r"^---(?:[ \t].*)?\n?", re.MULTILINE)


class Conversion(NamedTuple):
    """The text of all documents, and a sentence for each change."""

    text: str
    warnings: list[str]


def run(options: argparse.Namespace) -> str:
    """Return the new manifests and print what changed on standard error."""
    conversion = convert_file(options.file)
    for warning in conversion.warnings:
        print(f"flotta: {warning}", file=sys.stderr)
    return conversion.text.rstrip("\n")


def convert_file(name: str) -> Conversion:
    """Convert a file, standard input for `-`; raises ValueError with a sentence."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{name} cannot be read: {error}") from error
    return convert_text(text)


def convert_text(text: str) -> Conversion:
    """Convert each YAML document; one that needs no change keeps its text and comments."""
    warnings: list[str] = []
    documents = [
        _convert_document(part, number, warnings)
        for number, part in enumerate(filter(str.strip, SEPARATOR.split(text)), 1)
    ]
    return Conversion("---\n".join(documents), warnings)


def _convert_document(text: str, number: int, warnings: list[str]) -> str:
    try:
        document = load_yaml(text)
    except yaml.YAMLError as error:
        raise ValueError(f"document {number} is not valid YAML: {error}") from error
    if not isinstance(document, dict):
        return _end_with_newline(text)
    try:
        new, sentences = convert_manifest(document)
    except ConversionError as error:
        raise ValueError(f"document {number}: {error}") from error
    title = f"{document.get('kind')} {(document.get('metadata') or {}).get('name', '')}".strip()
    warnings += [f"{title}: {sentence}" for sentence in sentences]
    return dump_yaml(new, sort_keys=False) if new != document else _end_with_newline(text)


def _end_with_newline(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"
