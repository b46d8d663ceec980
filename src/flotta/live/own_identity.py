"""Whether the state has a certificate with which the device is in the fleet already.

If so, the registration certificate and its key stay on the medium: what lies around can be stolen.
In every case of doubt they are used, because a device without both could never join again.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from flotta.durable_files import read_bounded
from flotta.identity.issuers import issued_by, load_bundle
from flotta.identity.lifetime import load_certificate
from flotta.identity.peers import identify_peer

CURRENT = Path("device/current/cert.pem")  # below the directory of the registration certificate
MAX_PEM = 1 << 20  # bytes
# Files that show by their time that a moment has passed; the clock may have lost it.
CLOCKS = "usr/lib/clock-epoch", "var/lib/systemd/timesync/clock"


def has_own_identity(identity: Path, given_authorities: Path, device_id: str, now: float) -> bool:
    """Tell whether the device's own certificate is good for the fleet of the medium.

    `identity` is the directory of the identity in the state, `given_authorities` the CAs of the
    payload, `now` seconds since 1970. It must be for this id, of one of these CAs, and not expired.
    """
    try:
        certificate = load_certificate(read_bounded(identity / CURRENT, MAX_PEM))
        peer = identify_peer(certificate)
        authorities = load_bundle(read_bounded(given_authorities, MAX_PEM))
        ours = peer.kind == "device" and peer.device_id == device_id
        valid = peer.not_after > datetime.fromtimestamp(now, UTC)
        return ours and valid and issued_by(certificate, authorities)
    except Exception:  # of whatever damage: the device then registers again
        return False


def latest_known_time(*roots: Path) -> float:
    """Return the seconds since 1970 that have passed at least, by the clock and by files."""
    files = (root / name for root in roots for name in CLOCKS)
    return max([time.time(), *(file.stat().st_mtime for file in files if file.exists())])
