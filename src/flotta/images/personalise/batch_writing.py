"""Many media one after another: all are checked before the first is written."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flotta.images.errors import ImageError
from flotta.images.personalise.outputs import Output, personalise
from flotta.images.personalise.results import Result
from flotta.images.personalise.sources import Source
from flotta.images.publication import free_space
from flotta.protocol.reasons.images import NO_SPACE

BLOCK = 512  # bytes of `st_blocks`


@dataclass(frozen=True)
class _Write:
    """A medium that is going to be written."""

    path: Path
    size: int


def personalise_all(
    source: Source, outputs: Sequence[Output], check: bool = False
) -> Iterator[Result]:
    """Write media, and yield what became of each as soon as it is there.

    Raises ImageError before the first is written for everything that can be known then: what does
    not fit, another's file, too little space for all. What fails later leaves those that were
    yielded.
    """
    if len(outputs) > 1:  # one checks itself
        _require_space(_plan(source, outputs))
    done = 0
    for output in outputs:
        try:
            result = personalise(source, output, check)
        except ImageError as error:
            if check or not done:
                raise
            raise _after(done, error) from error
        done += result.changed
        yield result


def _plan(source: Source, outputs: Sequence[Output]) -> Sequence[_Write]:
    results = (personalise(source, output, check=True) for output in outputs)
    return [_Write(result.path, result.size) for result in results if result.rewritten]


def _require_space(writes: Sequence[_Write]) -> None:
    """Raise ImageError when the media do not fit one after another, by file system."""
    free: dict[int, int] = {}
    needed: dict[int, int] = {}
    for write in writes:
        path = Path(os.path.realpath(write.path))
        device = path.parent.stat().st_dev
        left = free.setdefault(device, free_space(path))
        needed[device] = needed.get(device, 0) + write.size
        if left < write.size:
            raise ImageError(
                NO_SPACE,
                f"{path} and the media before it need {needed[device]} bytes, and "
                f"{free_space(path)} are free. Nothing was changed. Free space there, or write to "
                "another file system.",
            )
        free[device] = left - write.size + _allocated(path)


def _allocated(path: Path) -> int:
    """Return the bytes that are free when a file is replaced, 0 if there is none."""
    try:
        found = path.stat()
    except OSError:
        return 0
    return found.st_blocks * BLOCK if found.st_nlink == 1 else 0


def _after(done: int, error: ImageError) -> ImageError:
    return ImageError(error.reason, f"{error.sentence} Before it, {done} media were written.")
