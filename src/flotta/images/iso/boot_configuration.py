"""Lines of GRUB and isolinux that load a kernel, with another initrd or argument.

An argument goes before `---`: installers copy what follows it into the system that they install. A
line that has it already stays as it is, so that a second edit changes nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence

GRUB_KERNEL = re.compile(r"^(?P<start>\s*(?:linux|linuxefi|linux16)\s+\S+)(?P<rest>.*)$")
GRUB_INITRD = re.compile(r"^(?P<start>\s*(?:initrd|initrdefi|initrd16)\s+)(?P<rest>.*)$")
ISOLINUX_APPEND = re.compile(r"^(?P<start>\s*append\s+)(?P<rest>.*)$", re.IGNORECASE)
ISOLINUX_INITRD = re.compile(r"\binitrd=(\S+)")
MD5_LINE = re.compile(rb"^([0-9a-f]{32})( [ *])([^\r\n]+)", re.MULTILINE)
SEPARATOR = "---"


def edit_grub(text: str, initrds: Sequence[str], arguments: Sequence[str] = ()) -> str:
    """Return the configuration with these initrds after its own, and these kernel arguments."""
    return _each_line(text, lambda line: _edit_grub_line(line, initrds, arguments))


def edit_isolinux(text: str, initrds: Sequence[str], arguments: Sequence[str] = ()) -> str:
    """Return the configuration of isolinux with the same."""
    return _each_line(text, lambda line: _edit_isolinux_line(line, initrds, arguments))


def edit_checksums(text: bytes, files: Mapping[str, bytes]) -> bytes:
    """Return a file of `md5sum` with the sums of these files, by absolute path, instead of its own.

    Its paths begin with `./`. They find damage, not changes on purpose.
    """
    sums = {
        f".{path}".encode(): hashlib.md5(data, usedforsecurity=False).hexdigest().encode()
        for path, data in files.items()
    }
    return MD5_LINE.sub(lambda line: sums.get(line[3], line[1]) + line[2] + line[3], text)


def _each_line(text: str, edit: Callable[[str], str]) -> str:
    return "".join(
        edit(line.rstrip("\r\n")) + line[len(line.rstrip("\r\n")) :]
        for line in text.splitlines(keepends=True)
    )


def _edit_grub_line(line: str, initrds: Sequence[str], arguments: Sequence[str]) -> str:
    if kernel := GRUB_KERNEL.match(line):
        return kernel["start"] + _with_arguments(kernel["rest"], arguments)
    if initrd := GRUB_INITRD.match(line):
        words = initrd["rest"].split()
        new = [name for name in initrds if name not in words]
        return initrd["start"] + " ".join([*words, *new]) if new else line
    return line


def _edit_isolinux_line(line: str, initrds: Sequence[str], arguments: Sequence[str]) -> str:
    append = ISOLINUX_APPEND.match(line)
    if append is None or not ISOLINUX_INITRD.search(append["rest"]):
        return line

    def extend(match: re.Match[str]) -> str:
        present = match[1].split(",")
        return "initrd=" + ",".join([*present, *(name for name in initrds if name not in present)])

    return append["start"] + _with_arguments(
        ISOLINUX_INITRD.sub(extend, append["rest"], count=1), arguments
    )


def _with_arguments(rest: str, arguments: Sequence[str]) -> str:
    words = rest.split()
    new = [argument for argument in arguments if argument not in words]
    if not new:
        return rest
    place = words.index(SEPARATOR) if SEPARATOR in words else len(words)
    lead = rest[: len(rest) - len(rest.lstrip())]
    return lead + " ".join([*words[:place], *new, *words[place:]])
