"""`python -m flotta.worker.own_certificate`: finish an interrupted change of key and certificate.

For a gateway that starts the worker: without a pair that fits it does not start itself
(docs/reference/device.md#other-gateways).
"""

from __future__ import annotations

import os
import sys

from flotta.worker.errors import DeliveryError
from flotta.worker.own_certificate.pair_files import finish_interrupted_change
from flotta.worker.settings import Settings


def main() -> int:
    """Return an exit status, with the cause on standard error."""
    try:
        finish_interrupted_change(Settings.from_environment(os.environ).state_dir)
    except DeliveryError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
