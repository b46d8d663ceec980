"""Files that cannot be removed, as if they were marked immutable (chattr(1))."""

from __future__ import annotations

import errno
import os
from collections.abc import Container

import pytest


def refuse_removal(monkeypatch: pytest.MonkeyPatch, names: Container[str]) -> None:
    """Refuse the removal of files and links with these names, wherever they are."""
    unlink = os.unlink

    def refuse(path: str, *, dir_fd: int | None = None) -> None:
        if path in names:
            raise OSError(errno.EPERM, "Operation not permitted")
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", refuse)
