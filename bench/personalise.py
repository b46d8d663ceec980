"""Measure what a personalised ISO costs, against a plain copy of its base.

Method: a base of 160 MB (or `--base`) is copied by `cp --reflink=never` with fsync, and
personalised with fsync, verification and rename, both into the same directory; the order of each
round is random. Prints the medians and their ratio, which is to be at most 1.2. Then many outputs
are written in a loop, each with its own device id, from the big base and from one of 1 MiB, as the
module `flotta.edge.device_iso` does it with `outputs`; each is removed after it was written,
outside the time. Exits with 1 when the ratio is too high.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from flotta.images.personalise.outputs import Output, personalise
from flotta.images.personalise.prepared import BaseFile
from flotta.images.personalise.sources import Source, open_source
from flotta.images.settings.medium import parse_settings
from small_iso import fleet, make_base

LIMIT = 1.2  # times a plain copy


def copy(base: Path, path: Path) -> None:
    """Copy as a user does, and wait for the disk."""
    subprocess.run(["cp", "--reflink=never", base, path], check=True)
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def write(source: Source, path: Path, number: int) -> None:
    """Personalise one output from an open base, its settings read from the beginning."""
    settings = parse_settings(fleet().settings(device_id=f"till-{number}"))
    personalise(source, Output(path, settings))


def seconds(work: Callable[[], None], path: Path) -> float:
    """Return the duration of `work`, which writes the file; remove that afterwards."""
    start = time.monotonic()
    work()
    duration = time.monotonic() - start
    path.unlink()
    return duration


def compare(base: Path, folder: Path, rounds: int) -> float:
    """Print the medians of both ways; return their ratio."""
    path = folder / "output.iso"

    def from_nothing() -> None:
        with open_source(BaseFile(base)) as source:
            write(source, path, 0)

    ways: dict[str, Callable[[], None]] = {
        "cp and fsync": lambda: copy(base, path),
        "personalise": from_nothing,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name in random.sample(list(ways), len(ways)):
            times[name].append(seconds(ways[name], path))
    medians = {name: statistics.median(found) for name, found in times.items()}
    for name, median in medians.items():
        spread = f"{min(times[name]):.3f} to {max(times[name]):.3f}"
        print(f"{name:14} {median:.3f} s ({spread}, {rounds} rounds)")
    return medians["personalise"] / medians["cp and fsync"]


def loop(base: Path, folder: Path, count: int) -> None:
    """Print the rate of many outputs from one base."""
    path, total = folder / "output.iso", 0.0
    with open_source(BaseFile(base)) as source:
        for number in range(count):
            total += seconds(partial(write, source, path, number), path)
    size = base.stat().st_size / 1e6
    print(f"{count} outputs of {size:.0f} MB: {total:.1f} s, {1000 * total / count:.1f} ms each")


def main() -> int:
    """Run both measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--base", type=Path, help="default: one of 160 MB that is made")
    parser.add_argument("--folder", type=Path, help="where to write; default: a temporary one")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--outputs", type=int, default=100, help="of the big base")
    parser.add_argument("--small-outputs", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        big = options.base or make_base(folder / "big.iso", padding=160 * 1000 * 1000)
        small = make_base(folder / "small.iso")
        ratio = compare(big, folder, options.rounds)
        print(f"ratio          {ratio:.2f} (at most {LIMIT})")
        loop(big, folder, options.outputs)
        loop(small, folder, options.small_outputs)
    return int(ratio > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
