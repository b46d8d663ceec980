"""An Edge API that takes any number of requests of one certificate: a generator sends hundreds."""

from __future__ import annotations

from flotta.edge_api import rate_limits

for name in ("DEVICE_RATE", "DEVICE_BURST", "BODY_RATE", "BODY_BURST", "RENEWAL_RATE"):
    setattr(rate_limits, name, 1e9)
rate_limits.RENEWAL_BURST = 1e9

from flotta.cli.edge_api import main  # noqa: E402

main()
