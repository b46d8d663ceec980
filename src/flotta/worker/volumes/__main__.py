"""`python -m flotta.worker.volumes STAGE PLAN`: run by the units of pods, before podman.

STAGE is `prepare`, or `late` after the init containers. PLAN is the path of `volumes.json`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from flotta.worker.volumes.plan import read_plan
from flotta.worker.volumes.preparation import (
    PreparationError,
    mount_late_paths,
    prepare_volumes,
)

STAGES = {"prepare": prepare_volumes, "late": mount_late_paths}


def main(arguments: list[str]) -> int:
    """Carry out one stage of a plan; return an exit status, with the cause on standard error."""
    stage, path = arguments
    try:
        STAGES[stage](read_plan(Path(path)))
    except (PreparationError, OSError, ValueError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
