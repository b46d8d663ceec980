"""One attack as a process: `python -m attackers NAME`, until its standard input ends.

It writes what it has done as a line of JSON, twice a second.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys

from attackers.attacks import ATTACKS, Attack
from attackers.connections import Tally
from attackers.target import Target

REPORT = 0.5  # seconds
NICE = 5  # the processor of a real attacker is another one than the server's


async def _attack(attack: Attack, target: Target) -> None:
    tally = Tally()
    running = asyncio.ensure_future(attack(target, tally))
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    while not ended.done() and not running.done():
        await asyncio.wait((ended, running), timeout=REPORT, return_when=asyncio.FIRST_COMPLETED)
        sys.stdout.write(json.dumps({"open": tally.open, **tally.counts}) + "\n")
        sys.stdout.flush()
    if running.done():
        running.result()
    os._exit(0)  # its connections break, as those of an attacker do


def main() -> None:
    os.setpriority(os.PRIO_PROCESS, 0, NICE)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    target = Target.from_json(sys.stdin.readline())
    asyncio.run(_attack(ATTACKS[sys.argv[1]], target))


if __name__ == "__main__":
    main()
