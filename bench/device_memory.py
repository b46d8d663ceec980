"""Measure memory and CPU time of the two programs of an idle device.

Method: on the running local site (`make site`), the proportional set size of both services' main
processes (from `/proc/PID/smaps_rollup`) and their CPU time over a minute, on both devices.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from e2e.machines import Host
from e2e.site import Site

UNITS = ("flotta-gateway", "flotta-device-worker")
SECONDS = 60  # over which CPU time is measured


def measures(host: Host, unit: str) -> tuple[float, float]:
    """Return PSS in MB and CPU time in seconds."""
    pid = host.run(f"systemctl show -p MainPID --value {unit}").strip()
    pss = host.run(f"grep ^Pss: /proc/{pid}/smaps_rollup").split()[1]
    ticks = host.run(f"cut -d' ' -f14,15 /proc/{pid}/stat").split()
    return int(pss) / 1024, sum(map(int, ticks)) / 100


def main() -> None:
    site = Site(Path(__file__).resolve().parents[1])
    hosts = (site.till, site.camera)
    before = {(h.name, unit): measures(h, unit)[1] for h in hosts for unit in UNITS}
    time.sleep(SECONDS)
    for host in hosts:
        total = 0.0
        for unit in UNITS:
            pss, cpu = measures(host, unit)
            total += pss
            spent = 1000 * (cpu - before[host.name, unit]) / SECONDS
            print(f"{host.name} {unit}: {pss:.1f} MB, {spent:.2f} ms of CPU time a second")
        print(f"{host.name} together: {total:.1f} MB")


if __name__ == "__main__":
    main()
