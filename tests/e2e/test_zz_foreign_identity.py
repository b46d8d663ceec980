"""A device on a host where subscription-manager and rhc have their files, made by hand here."""

from __future__ import annotations

import re

import pytest

from e2e.machines import eventually
from e2e.site import VOLUMES, Site

# A run of the role takes a minute on a busy machine, and each test has several.
pytestmark = [pytest.mark.on_one_engine, pytest.mark.timeout(900)]
FOREIGN = {
    "/etc/pki/consumer/cert.pem": "the consumer certificate of Candlepin",
    "/etc/pki/consumer/key.pem": "its key",
    "/etc/yggdrasil/config.toml": "# rhc",
    "/etc/redhat-release": "Red Hat Enterprise Linux release 9.4 (Plow)",
}
OWN = "/etc/flotta/device"


def run_role(site: Site, *inputs: str) -> str:
    words = [word for text in inputs for word in ("-e", text)]
    done = site.playbook("devices", "--limit", "camera-1", *words)
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def unchanged(said: str) -> bool:
    """Tell whether a run changed nothing on the camera."""
    return re.search(r"^camera-1 +: .* changed=0 ", said, re.MULTILINE) is not None


def listed(site: Site, *places: str) -> list[str]:
    """Return the files below these folders of the camera."""
    return site.camera.run(f"find {' '.join(places)} -type f 2>/dev/null; true").split()


def test_identity_moves_when_another_directory_is_named_and_the_device_stays_the_same(
    site: Site,
) -> None:
    uid = site.get("edgedevice", "camera-1")["metadata"]["uid"]
    key = site.camera.run("sha256sum </etc/pki/consumer/device/current/key.pem")
    site.camera.run("echo Red Hat >/etc/redhat-release")
    try:
        run_role(site)  # an identity of flotta stays where it is
        assert site.camera.run("sha256sum </etc/pki/consumer/device/current/key.pem") == key
        run_role(site, f"device_identity_directory={OWN}")
        assert site.camera.run(f"sha256sum <{OWN}/device/current/key.pem") == key
        assert listed(site, "/etc/pki/consumer") == []
        assert site.get("edgedevice", "camera-1")["metadata"]["uid"] == uid
        assert site.ready("camera-1") == "True"
        assert unchanged(run_role(site)), "it does not stay where it is"
    finally:
        site.camera.run("rm /etc/redhat-release")


def test_files_of_others_survive_absent_and_present_and_no_pod_is_left(site: Site) -> None:
    for path, text in FOREIGN.items():
        site.camera.run(f"mkdir -p $(dirname {path}) && echo '{text}' >{path}")

    def foreign() -> dict[str, str]:
        return {path: site.camera.run(f"cat {path}").strip() for path in FOREIGN}

    # The device is removed while it cannot be told: nothing but the role removes its pods then.
    site.camera.run("systemctl stop flotta-gateway")
    site.kubectl("delete", "edgedevice", "camera-1", "--wait=false")
    finalizers = '{"metadata":{"finalizers":null}}'
    site.kubectl("patch", "edgedevice", "camera-1", "--type=merge", "-p", finalizers)
    assert site.camera.containers(), "this test sees no pod"
    said = run_role(site, "device_state=absent")
    assert foreign() == FOREIGN
    assert "/etc/pki/consumer/cert.pem is not a certificate of flotta-operator" in said
    assert site.camera.containers() == set()
    assert site.camera.run("systemctl list-units --all --no-legend 'podman-kube@*'") == ""
    gone = (
        "/etc/flotta",
        "/etc/systemd/system/*flotta*",
        "/opt/flotta",
        "/var/lib/flotta",
        VOLUMES,
    )
    assert listed(site, *gone) == []
    assert unchanged(run_role(site, "device_state=absent"))

    run_role(site)
    assert foreign() == FOREIGN
    assert f"{OWN}/ca.pem" in listed(site, OWN)
    assert f"{OWN}/key.pem" not in listed(site, OWN)  # the one-time key
    eventually("the camera is ready", lambda: site.ready("camera-1") == "True")
    eventually("it runs the sample", lambda: site.phase("camera-1", "os-stats") == "Running")
    for path in FOREIGN:
        site.camera.run(f"rm {path}")
