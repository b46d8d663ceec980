"""Workloads follow labels, and say what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.machines import eventually
from e2e.site import Site, workload


@pytest.fixture
def cleaned(site: Site) -> Iterator[list[str]]:
    """Names of workloads to delete at the end; the label `e2e` goes too."""
    names: list[str] = []
    yield names
    for name in names:
        site.kubectl("delete", "edgeworkload", name, "--ignore-not-found", check=False)
    for device in ("till-1", "camera-1"):
        site.kubectl("label", "edgedevice", device, "e2e-", check=False)


def test_relabelling_a_device_moves_the_workload(site: Site, cleaned: list[str]) -> None:
    cleaned.append("mover")
    site.kubectl("label", "edgedevice", "till-1", "e2e=mover", "--overwrite")
    site.apply(workload("mover", {"e2e": "mover"}))
    eventually("it runs on the till", lambda: "mover-main" in site.till.containers())
    site.kubectl("label", "edgedevice", "till-1", "e2e-")
    site.kubectl("label", "edgedevice", "camera-1", "e2e=mover", "--overwrite")
    eventually("it runs on the camera", lambda: "mover-main" in site.camera.containers())
    eventually("it left the till", lambda: "mover-main" not in site.till.containers())
    eventually("the camera reports it", lambda: site.phase("camera-1", "mover") == "Running")
    eventually("the till does not any more", lambda: site.entry("till-1", "mover") is None)
    labelled = ("get", "edgedevice", "-l", "workload/mover=true", "-o", "name")
    camera = "edgedevice.management.project-flotta.io/camera-1"
    eventually("the camera is labelled", lambda: site.kubectl(*labelled).strip() == camera)


@pytest.mark.on_any_store
def test_deleting_the_workload_removes_the_pod(site: Site) -> None:
    site.place("passing", "till-1")
    eventually("it runs", lambda: "passing-main" in site.till.containers())
    eventually("the status says so", lambda: site.phase("till-1", "passing") == "Running")
    site.take_away("passing", "till-1")
    eventually("its pod is gone", lambda: "passing" not in site.till.run("podman pod ps"))
    eventually("the status forgets it", lambda: site.entry("till-1", "passing") is None)


def test_a_host_port_answers_from_outside(site: Site, cleaned: list[str]) -> None:
    cleaned.append("web")
    site.kubectl("label", "edgedevice", "till-1", "e2e=web", "--overwrite")
    serve = (
        "mkdir -p /tmp/w; echo hello-from-till > /tmp/w/index.html; exec httpd -f -p 8080 -h /tmp/w"
    )
    site.apply(
        workload(
            "web",
            {"e2e": "web"},
            container={
                "command": ["/bin/sh", "-c", serve],
                "ports": [{"containerPort": 8080, "hostPort": 18080}],
            },
        )
    )
    eventually(
        "the page is read from another host",
        lambda: (
            "hello-from-till"
            in site.camera.run(
                'python3 -c "import urllib.request as u; '
                f"print(u.urlopen('http://{site.till.address}:18080/', timeout=3).read())\"",
                check=False,
            )
        ),
    )


def test_config_maps_and_secrets_reach_the_container(site: Site, cleaned: list[str]) -> None:
    cleaned.append("settings")
    site.kubectl("create", "configmap", "e2e-settings", "--from-literal=MODE=fast", check=False)
    site.kubectl(
        "create", "secret", "generic", "e2e-token", "--from-literal=TOKEN=t0p", check=False
    )
    site.kubectl("label", "edgedevice", "till-1", "e2e=settings", "--overwrite")
    site.apply(
        workload(
            "settings",
            {"e2e": "settings"},
            container={
                "envFrom": [{"configMapRef": {"name": "e2e-settings"}}],
                "env": [
                    {"name": "PLAIN", "value": "literal"},
                    {
                        "name": "TOKEN",
                        "valueFrom": {"secretKeyRef": {"name": "e2e-token", "key": "TOKEN"}},
                    },
                ],
            },
        )
    )
    show = "podman exec settings-main sh -c 'echo $MODE $PLAIN $TOKEN $DEVICE_ID'"
    eventually(
        "all four variables are set",
        lambda: site.till.run(show, check=False).strip() == "fast literal t0p till-1",
    )
    site.kubectl("delete", "configmap/e2e-settings", "secret/e2e-token")


def test_a_missing_image_is_explained_and_others_go_on(site: Site, cleaned: list[str]) -> None:
    cleaned.append("imageless")
    site.kubectl("label", "edgedevice", "camera-1", "e2e=imageless", "--overwrite")
    broken = workload(
        "imageless",
        {"e2e": "imageless"},
        container={"image": "localhost/flotta-edge-no-such-image:1"},
    )
    site.apply(broken)

    def explained() -> bool:
        entry = site.entry("camera-1", "imageless") or {}
        return bool(entry.get("reason")) and "no-such-image" in entry.get("message", "")

    eventually("the device's status has reason and message", explained)
    eventually(
        "kubectl describe shows it with an Event on the device",
        lambda: (
            "no-such-image"
            in site.kubectl("describe", "edgedevice", "camera-1").split("Events:")[1]
        ),
    )
    eventually(
        "the workload has an Event too",
        lambda: (
            "no-such-image"
            in site.kubectl("describe", "edgeworkload", "imageless").split("Events:")[1]
        ),
    )
    eventually("the other runs", lambda: site.phase("camera-1", "os-stats") == "Running")


def test_a_wrong_manifest_is_refused_with_the_path(site: Site) -> None:
    bad = workload("bad", {"e2e": "none"})
    bad["spec"]["pod"]["spec"]["containers"].append(
        {"name": "second", "image": "x", "ports": [{"containerPort": "eighty"}]}
    )
    output = site.kubectl("apply", "--validate=ignore", "-f", "-", manifest=bad, check=False)
    assert "spec.pod.spec.containers[1].ports[0].containerPort" in output
    del bad["spec"]["pod"]["spec"]["containers"][1]["ports"][0]["containerPort"]
    output = site.kubectl("apply", "--validate=ignore", "-f", "-", manifest=bad, check=False)
    assert "spec.pod.spec.containers[1].ports[0].containerPort: Required value" in output
