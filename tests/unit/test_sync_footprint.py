from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_resident_part_loads_neither_boto3_nor_anything_heavy():
    heavy = ["boto3", "botocore", "s3transfer", "aiohttp", "cryptography", "kubernetes", "grpclib"]
    code = f"import sys, flotta.sync.loop; print([m for m in {heavy} if m in sys.modules])"
    source = str(Path(__file__).parents[2] / "src")
    found = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": source}, capture_output=True, check=True
    )
    assert found.stdout.strip() == b"[]"
