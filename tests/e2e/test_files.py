"""Files flow both ways between the sample workload and the device's bucket."""

from __future__ import annotations

import hashlib
import os

import pytest

from e2e.machines import eventually
from e2e.site import VOLUMES, Site


@pytest.mark.on_any_store
def test_devices_are_up_and_run_the_sample(site: Site) -> None:
    for device in site.devices:
        eventually(f"{device} is ready", lambda name=device: site.ready(name) == "True")
        eventually(
            f"{device} runs os-stats",
            lambda name=device: site.phase(name, "os-stats") == "Running",
        )


@pytest.mark.on_any_store
def test_a_telemetry_file_is_in_the_bucket_with_equal_bytes(site: Site) -> None:
    bucket = site.bucket("till-1")
    keys = eventually("telemetry in the bucket", lambda: site.keys(bucket, "statistics/"))
    # An earlier one may be of an earlier life of the device.
    key = sorted(key for key in keys if key.endswith(".jsonl"))[-1]
    path = f"{VOLUMES}/os-stats/stats/{key.removeprefix('statistics/')}"

    def equal() -> bool:
        stored = site.s3().get_object(Bucket=bucket, Key=key)["Body"].read()
        return site.till.run(f"sha256sum {path}").split()[0] == hashlib.sha256(stored).hexdigest()

    eventually("equal bytes on both sides", equal)


@pytest.mark.on_any_store
def test_a_file_put_into_the_bucket_arrives_in_the_container(site: Site) -> None:
    device, host = list(site.devices.items())[-1]
    content = os.urandom(100_000)
    site.s3().put_object(
        Bucket=site.bucket(device), Key="configuration/settings/blob.bin", Body=content
    )
    wanted = hashlib.sha256(content).hexdigest()
    file = "/export/config/settings/blob.bin"
    command = f"podman exec os-stats-os-stats sha256sum {file} 2>/dev/null || true"
    eventually(
        "the file is under /export/config in the container",
        lambda: host.run(command).startswith(wanted),
    )


@pytest.mark.on_any_store
def test_a_private_file_is_sent_by_a_user_that_sees_no_file_of_the_device(site: Site) -> None:
    made = "/var/tmp/private.bin"
    site.till.run(
        f"head -c {64 << 20} /dev/urandom > {made} && chown 4242 {made} && chmod 0 {made} "
        f"&& mv {made} {VOLUMES}/os-stats/stats/"
    )
    look = "cd /proc/$pid && ls root root/etc && grep -E '^(Cap|NoNewPrivs)' status"
    seen = site.till.run(
        "for i in $(seq 3000); do pid=$(pgrep -u flotta-transfer) && "
        f'seen=$({look}) && echo "$seen" && exit; sleep 0.02; done; exit 1'
    ).split()
    assert "flotta" not in seen
    assert "pki" not in seen
    assert "var" not in seen
    assert seen.count("0" * 16) == 5
    bucket = site.bucket("till-1")
    eventually("the file", lambda: "statistics/private.bin" in site.keys(bucket, "statistics/p"))
    assert "not confined" not in site.till.journal("flotta-device-worker")


@pytest.mark.on_any_store
def test_the_units_of_a_device_stay_restricted(site: Site) -> None:
    for unit, exposure in {"flotta-gateway": 15, "flotta-device-worker": 77}.items():
        site.till.run(f"systemd-analyze --no-pager security --threshold={exposure} {unit}.service")
    # podman, run by the worker, removes pods of the device only from the mounts of the device.
    pid = "$(systemctl show -P MainPID flotta-device-worker)"
    own, device = site.till.run(f"readlink /proc/{pid}/ns/mnt /proc/1/ns/mnt").split()
    assert own == device


def test_a_device_cannot_read_another_devices_bucket(site: Site) -> None:
    secret = site.get("secret", "till-1")["data"]
    keys = " ".join(
        f"{name}=$(echo {secret[name]} | base64 -d)"
        for name in sorted(secret)
        if name.startswith("AWS_")
    )
    other = site.bucket("camera-1")
    endpoint = site.s3().meta.endpoint_url
    program = (
        "import boto3; from botocore.config import Config; "
        f"c = boto3.client('s3', endpoint_url='{endpoint}', verify=False, region_name='us-east-1', "
        "config=Config(s3={'addressing_style': 'path'})); "
        f"print(c.list_objects_v2(Bucket='{other}').get('KeyCount'))"
    )
    output = site.till.run(
        f'{keys} /opt/flotta/current/bin/python -W ignore -c "{program}" 2>&1', check=False
    )
    assert "NoSuchBucket" in output or "AccessDenied" in output, output
