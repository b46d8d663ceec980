"""`flotta-s3 auth-proxy`: tells rclone about an access key.

rclone waits for this program, so it imports next to nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from flotta.storage.auth_proxy import answer_question


def run(_: argparse.Namespace) -> int:
    """Answer the question on standard input; return the exit status."""
    keys, root = Path(os.environ["FLOTTA_S3_KEYS"]), Path(os.environ["FLOTTA_S3_ROOT"])
    return answer_question(sys.stdin, sys.stdout, keys, root)
