"""Measure the time from `kubectl apply` accepted to the container running, and its parts.

Method: on the running local site (`make site`), a workload with an image that is present is applied
and deleted N times. All hosts share this machine's clock, so times are compared directly: the
moment kubectl returned, the moments when podman created and started the container (from `podman
inspect`), and the moment when the status said Running (polled). Prints each run and the
medians, in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TypedDict

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from e2e.machines import eventually
from e2e.site import Site, workload


class ContainerState(TypedDict):
    """The state of a container; the time is in podman's format."""

    Status: str
    StartedAt: str


class InspectedContainer(TypedDict):
    """The fields that are read from `podman inspect`."""

    Created: str
    State: ContainerState


def moment(text: str) -> float:
    """Parse podman's time, which has nanoseconds."""
    head, _, rest = text.partition(".")
    digits = "".join(c for c in rest[:9] if c.isdigit())
    zone = rest[len(digits) :].replace("Z", "+00:00")
    return datetime.fromisoformat(f"{head}.{digits[:6]}{zone}").timestamp()


def running(site: Site, container: str) -> InspectedContainer | None:
    """Return what podman reports about a container, once it runs."""
    shown: list[InspectedContainer] = json.loads(
        site.till.run(f"podman inspect {container}", check=False) or "[]"
    )
    return shown[0] if shown and shown[0]["State"]["Status"] == "running" else None


def once(site: Site, number: int) -> dict[str, float]:
    """Apply one workload and take the times, relative to kubectl's return."""
    name = f"bench-{number}"
    site.apply(workload(name, {"role": "till"}))
    accepted = time.time()
    container = f"{name}-main"
    shown = eventually("the container runs", lambda: running(site, container), 30, 0.2)
    eventually("the status says so", lambda: site.phase("till-1", name) == "Running", 30, 0.1)
    reported = time.time()
    site.kubectl("delete", "edgeworkload", name)
    eventually("it is gone", lambda: container not in site.till.containers(), 60)
    started = moment(shown["State"]["StartedAt"])
    return {
        "container created": 1000 * (moment(shown["Created"]) - accepted),
        "container running": 1000 * (started - accepted),
        "status Running": 1000 * (reported - accepted),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    arguments = parser.parse_args()
    site = Site(Path(__file__).resolve().parents[1])
    runs = []
    for number in range(arguments.runs):
        runs.append(once(site, number))
        print(json.dumps({key: round(value) for key, value in runs[-1].items()}), flush=True)
    for key in runs[0]:
        median = statistics.median(run[key] for run in runs)
        print(f"median {key}: {median:.0f} ms after kubectl returned")


if __name__ == "__main__":
    main()
