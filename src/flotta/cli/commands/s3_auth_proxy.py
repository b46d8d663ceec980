"""`flotta-s3 auth-proxy`: tells rclone about an access key.

rclone waits for this program, so it imports next to nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from flotta.storage.auth_proxy import answer_question
from flotta.storage.key_gates import KeyGates

VARIABLES = ("KEYS", "ROOT", "GATES")  # set by the supervisor of rclone


def run(_: argparse.Namespace) -> int:
    """Answer the question on standard input; return the exit status."""
    keys, root, gates = (Path(os.environ[f"FLOTTA_S3_{name}"]) for name in VARIABLES)
    return answer_question(sys.stdin, sys.stdout, keys, KeyGates(gates, root))
