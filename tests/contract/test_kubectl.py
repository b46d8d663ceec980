"""kubectl as people use it: the current version, and 1.20 of Debian 12 for most commands."""

from __future__ import annotations

import subprocess
import threading

import yaml

from contract.api import Api, config_map, core, device, devices
from contract.kubectl import Kubectl

MANIFEST = yaml.safe_dump(
    device("d", {"heartbeat": {"periodSeconds": 5}, "metrics": {"system": {}}})
)


def test_apply_twice(kubectl: Kubectl, namespace: str) -> None:
    apply = ("apply", "-n", namespace, "-f", "-")
    assert kubectl(*apply, stdin=MANIFEST).endswith("/d created\n")
    assert kubectl(*apply, stdin=MANIFEST).endswith("/d unchanged\n")
    changed = MANIFEST.replace("periodSeconds: 5", "periodSeconds: 6")
    assert kubectl(*apply, stdin=changed).endswith("/d configured\n")
    core_manifest = yaml.safe_dump(config_map("c", {"a": "b"}))
    assert kubectl(*apply, stdin=core_manifest) == "configmap/c created\n"
    assert kubectl(*apply, stdin=core_manifest) == "configmap/c unchanged\n"
    emptied = core_manifest.replace("a: b", "c: d")
    assert kubectl(*apply, stdin=emptied) == "configmap/c configured\n"
    assert yaml.safe_load(kubectl("get", "-n", namespace, "cm/c", "-o", "yaml"))["data"] == {
        "c": "d"
    }


def test_get_prints_columns(kubectl: Kubectl, namespace: str) -> None:
    kubectl("apply", "-n", namespace, "-f", "-", stdin=MANIFEST)
    head, row = kubectl("get", "edgedevices", "-n", namespace).splitlines()
    assert head.split()[0] == "NAME"
    assert row.split()[0] == "d"
    assert kubectl("get", "edgedevices", "-n", namespace, "-o", "name").strip().endswith("/d")
    assert "d" in kubectl("get", "edgedevices", "-A", "-l", "!nothing")
    kubectl("create", "secret", "generic", "s", "-n", namespace, "--from-literal=a=b")
    assert kubectl("get", "secret", "s", "-n", namespace).splitlines()[1].split()[:3] == [
        "s",
        "Opaque",
        "1",
    ]


def test_get_watch_prints_changes(kubectl: Kubectl, namespace: str) -> None:
    kubectl("apply", "-n", namespace, "-f", "-", stdin=MANIFEST)
    command = kubectl.command("get", "edgedevices", "-n", namespace, "-w")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline().startswith("NAME")
        assert watching.stdout.readline().startswith("d ")
        kubectl("label", "-n", namespace, "edgedevice", "d", "a=b")
        assert watching.stdout.readline().startswith("d ")
        kubectl("delete", "-n", namespace, "edgedevice", "d")
        assert watching.stdout.readline().startswith("d ")
        assert watching.poll() is None
        watching.terminate()


def test_describe(kubectl: Kubectl, api: Api, namespace: str) -> None:
    kubectl("apply", "-n", namespace, "-f", "-", stdin=MANIFEST)
    obj = api.get(devices(namespace, "d")).body
    involved = {"kind": "EdgeDevice", "name": "d", "namespace": namespace}
    involved["uid"] = obj["metadata"]["uid"]
    event = {"metadata": {"generateName": "e-"}, "involvedObject": involved}
    api.create(
        core(namespace, "events"),
        event | {"reason": "Registered", "message": "hello", "type": "Normal"},
    )
    text = kubectl("describe", "edgedevice", "d", "-n", namespace)
    assert "Period Seconds:  5" in text
    assert "Registered" in text
    assert "hello" in text
    assert "Active" in kubectl("describe", "namespace", namespace)


def test_edit_patch_label_annotate(kubectl: Kubectl, api: Api, namespace: str) -> None:
    kubectl("apply", "-n", namespace, "-f", "-", stdin=MANIFEST)
    target = ("-n", namespace, "edgedevice", "d")
    editor = "sed -i s/periodSeconds:.*/periodSeconds:\\ 7/"
    kubectl("edit", *target, EDITOR=editor)
    assert api.get(devices(namespace, "d")).body["spec"]["heartbeat"] == {"periodSeconds": 7}
    kubectl("patch", *target, "--type=merge", "-p", '{"spec":{"heartbeat":{"periodSeconds":8}}}')
    operation = '[{"op":"add","path":"/spec/osInformation","value":{"commitID":"c"}}]'
    kubectl("patch", *target, "--type=json", "-p", operation)
    kubectl("label", *target, "a=b")
    kubectl("annotate", *target, "note=x")
    obj = api.get(devices(namespace, "d")).body
    assert obj["spec"]["heartbeat"]["periodSeconds"] == 8
    assert obj["spec"]["osInformation"] == {"commitID": "c"}
    assert obj["metadata"]["labels"] == {"a": "b"}
    assert obj["metadata"]["annotations"]["note"] == "x"


def test_replace(kubectl: Kubectl, api: Api, namespace: str) -> None:
    kubectl("create", "-n", namespace, "-f", "-", stdin=MANIFEST)
    manifest = yaml.safe_load(kubectl("get", "edgedevice", "d", "-n", namespace, "-o", "yaml"))
    manifest["spec"]["heartbeat"]["periodSeconds"] = 9
    kubectl("replace", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(manifest))
    assert api.get(devices(namespace, "d")).body["spec"]["heartbeat"] == {"periodSeconds": 9}


def test_create_by_flags(kubectl: Kubectl, api: Api, namespace: str) -> None:
    kubectl("create", "configmap", "c", "-n", namespace, "--from-literal=a=b")
    kubectl("create", "secret", "generic", "s", "-n", namespace, "--from-literal=p=ü")
    other = f"{namespace}-x"
    kubectl("create", "ns", other)
    assert api.get(core(namespace, "configmaps", "c")).body["data"] == {"a": "b"}
    secret = api.get(core(namespace, "secrets", "s")).body
    assert (secret["data"], secret["type"]) == ({"p": "w7w="}, "Opaque")
    kubectl("delete", "ns", other)
    assert api.get(f"/api/v1/namespaces/{other}").status == 404


def test_bad_manifest_is_refused(kubectl: Kubectl, namespace: str) -> None:
    bad = MANIFEST.replace("periodSeconds: 5", "periodSeconds: often")
    refused = kubectl.run("apply", "-n", namespace, "-f", "-", stdin=bad)
    assert refused.returncode != 0
    assert "spec.heartbeat.periodSeconds" in refused.stderr


def test_wait_and_delete_with_finalizer(kubectl: Kubectl, api: Api, namespace: str) -> None:
    api.create(devices(namespace), device("d", finalizers=["a.b/c"]))
    path = devices(namespace, "d")
    condition = {"type": "Ready", "status": "True", "reason": "Up", "message": "m"}
    condition["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    later = threading.Timer(
        1.0, lambda: api.merge(path + "/status", {"status": {"conditions": [condition]}})
    )
    later.start()
    kubectl("wait", "-n", namespace, "edgedevice/d", "--for=condition=Ready", "--timeout=60s")
    kubectl("wait", "-n", namespace, "edgedevice/d", "--for=condition=Ready", "--timeout=60s")
    release = {"op": "remove", "path": "/metadata/finalizers"}
    threading.Timer(1.0, lambda: api.json_patch(path, release)).start()
    kubectl("delete", "-n", namespace, "edgedevice/d", "--timeout=60s")
    assert api.get(path).status == 404


def test_wait_for_a_value(new_kubectl: Kubectl, api: Api, namespace: str) -> None:
    api.create(devices(namespace), device("d"))
    path = devices(namespace, "d") + "/status"
    threading.Timer(1.0, lambda: api.merge(path, {"status": {"phase": "up"}})).start()
    for _ in ("comes", "is there"):
        new_kubectl(
            *("wait", "-n", namespace, "edgedevice/d", "--timeout=60s"),
            "--for=jsonpath={.status.phase}=up",
        )


def test_server_side_apply(kubectl: Kubectl, namespace: str) -> None:
    apply = ("apply", "--server-side", "-n", namespace, "-f", "-")
    assert "serverside-applied" in kubectl(*apply, stdin=MANIFEST)
    assert "serverside-applied" in kubectl(*apply, "--field-manager=two", stdin=MANIFEST)
    changed = MANIFEST.replace("periodSeconds: 5", "periodSeconds: 6")
    refused = kubectl.run(*apply, "--field-manager=two", stdin=changed)
    assert "conflict" in refused.stderr
    kubectl(*apply, "--field-manager=two", "--force-conflicts", stdin=changed)


def test_client_side_apply_becomes_server_side(new_kubectl: Kubectl, namespace: str) -> None:
    new_kubectl("apply", "-n", namespace, "-f", "-", stdin=MANIFEST)
    new_kubectl("apply", "--server-side", "-n", namespace, "-f", "-", stdin=MANIFEST)
    smaller = MANIFEST.replace("  metrics:\n    system: {}\n", "")
    new_kubectl("apply", "--server-side", "-n", namespace, "-f", "-", stdin=smaller)
    shown = new_kubectl("get", "edgedevice", "d", "-n", namespace, "-o", "yaml")
    assert yaml.safe_load(shown)["spec"] == {"heartbeat": {"periodSeconds": 5}}


def test_explain(new_kubectl: Kubectl) -> None:
    text = new_kubectl("explain", "edgedevice.spec.heartbeat.periodSeconds")
    assert "FIELD: periodSeconds <integer>" in text
    pod = new_kubectl("explain", "edgeworkload.spec.pod.spec.containers.image")
    assert "image" in pod
    assert "KIND:       ConfigMap" in new_kubectl("explain", "configmap")


def test_diff_and_dry_run(new_kubectl: Kubectl, namespace: str) -> None:
    new_kubectl("apply", "-n", namespace, "-f", "-", stdin=MANIFEST)
    changed = MANIFEST.replace("periodSeconds: 5", "periodSeconds: 6")
    diff = new_kubectl.run("diff", "-n", namespace, "-f", "-", stdin=changed)
    assert diff.returncode == 1
    assert "+    periodSeconds: 6" in diff.stdout
    dry = ("apply", "--dry-run=server", "-n", namespace, "-f", "-")
    assert "configured" in new_kubectl(*dry, stdin=changed)
    assert new_kubectl.run("diff", "-n", namespace, "-f", "-", stdin=MANIFEST).returncode == 0


def test_access_questions(new_kubectl: Kubectl) -> None:
    assert new_kubectl("auth", "can-i", "get", "edgedevices") == "yes\n"
    assert "flotta-admin" in new_kubectl("auth", "whoami")
    assert new_kubectl("auth", "can-i", "--list")


def test_cascading_deletes(kubectl: Kubectl, api: Api, namespace: str) -> None:
    for mode in ("background", "foreground", "orphan"):
        kubectl("apply", "-n", namespace, "-f", "-", stdin=MANIFEST)
        kubectl("delete", "edgedevice", "d", "-n", namespace, f"--cascade={mode}")
        assert api.get(devices(namespace, "d")).status == 404
