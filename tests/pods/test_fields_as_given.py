"""What podman does by itself with the fields of a pod, and the worker leaves as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pods.device import Device
from pods.pod import LIMITS, SLEEP, Pod, container

NAME = "my.dotted.app"
LONGEST = "c" * 63
ODD = "= ' \" # $HOME\nsecond line"
SERVER = "pwd >/tmp/folder; echo page >/tmp/index.html; exec httpd -f -p 8080 -h /tmp"

GIVEN: dict[str, Any] = {
    "hostname": "shop",
    "hostAliases": [{"ip": "192.0.2.77", "hostnames": ["printer", "printer.shop"]}],
    "shareProcessNamespace": True,
    "dnsPolicy": "None",
    "dnsConfig": {
        "nameservers": ["192.0.2.53"],
        "searches": ["shop.example"],
        "options": [{"name": "ndots", "value": "3"}],
    },
    "enableServiceLinks": False,
    "os": {"name": "linux"},
    "tolerations": [{"operator": "Exists"}],
    "securityContext": {
        "supplementalGroups": [3000],
        "supplementalGroupsPolicy": "Merge",
        "appArmorProfile": {"type": "RuntimeDefault"},
    },
    "terminationGracePeriodSeconds": 1,
    "containers": [
        container(
            script=SERVER,
            workingDir="/etc",
            ports=[
                {"containerPort": 8080, "hostPort": 18080, "hostIP": "127.0.0.1"},
                {"containerPort": 8080, "hostPort": 18080, "protocol": "UDP"},
                {"containerPort": 8081},
            ],
            env=[
                {"name": "ODD", "valueFrom": {"secretKeyRef": {"name": "creds", "key": "odd"}}},
                {"name": "EMPTY", "value": ""},
                {"name": "NUMBER", "value": "0644"},
                {
                    "name": "ABSENT",
                    "valueFrom": {
                        "configMapKeyRef": {"name": "cfg", "key": "absent", "optional": True}
                    },
                },
                {
                    "name": "NOBODYS",
                    "valueFrom": {
                        "secretKeyRef": {"name": "absent", "key": "pw", "optional": True}
                    },
                },
                {
                    "name": "APP",
                    "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}},
                },
            ],
            envFrom=[
                {"prefix": "CFG_", "configMapRef": {"name": "cfg"}},
                {"prefix": "SECRET_", "secretRef": {"name": "creds"}},
                {"configMapRef": {"name": "absent", "optional": True}},
                {"secretRef": {"name": "absent", "optional": True}},
            ],
            volumeMounts=[
                {"name": "deep", "mountPath": "/deep"},
                {"name": "file", "mountPath": "/deep.txt", "readOnly": True},
                {"name": "shared-memory", "mountPath": "/dev/shm"},
                {"name": "levels", "mountPath": "/levels"},
                {"name": "creds", "mountPath": "/creds"},
                {
                    "name": "propagated",
                    "mountPath": "/propagated",
                    "mountPropagation": "HostToContainer",
                },
            ],
            resources={
                "limits": {"memory": "64Mi", "cpu": "200m"},
                "requests": {"memory": "32Mi"},
            },
        ),
        container(
            "bare",
            securityContext={
                "runAsUser": 1000,
                "runAsGroup": 2000,
                "readOnlyRootFilesystem": True,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "appArmorProfile": {"type": "RuntimeDefault"},
            },
        ),
        container("net", securityContext={"capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]}}),
        container("free", securityContext={"privileged": True}),
        container(LONGEST, f"test -t 1 && echo a terminal; {SLEEP}", tty=True),
    ],
    "volumes": [
        {"name": "deep", "hostPath": {"path": "/srv/a/b/c", "type": "DirectoryOrCreate"}},
        {"name": "file", "hostPath": {"path": "/srv/file.txt", "type": "FileOrCreate"}},
        {"name": "propagated", "hostPath": {"path": "/srv/propagated", "type": "Directory"}},
        {"name": "shared-memory", "emptyDir": {}},
        {
            "name": "levels",
            "configMap": {"name": "cfg", "items": [{"key": "level", "path": "sub/dir/level.txt"}]},
        },
        {"name": "creds", "secret": {"secretName": "creds"}},
    ],
}


SOURCES: dict[str, Any] = {
    "config_maps": {"cfg": {"level": "high", "lines": "one\ntwo\n"}},
    "secrets": {"creds": {"odd": ODD}},
}


@pytest.fixture(scope="module")
def pod(device: Device) -> Iterator[Pod]:
    device.host.sh("mkdir -p /srv/propagated; mount --bind /srv/propagated /srv/propagated")
    with device.running(NAME, GIVEN, **SOURCES) as pod:
        yield pod


def test_names_may_have_dots_and_63_characters(pod: Pod) -> None:
    assert pod.wait_phase("Running")
    assert set(pod.containers()) == {"main", "bare", "net", "free", LONGEST}


def test_what_a_device_has_no_use_for_changes_nothing(pod: Pod) -> None:
    assert pod.wait_phase("Running")
    assert "_SERVICE_HOST" not in pod.sh("env")


def test_values_reach_the_environment_as_given(pod: Pod) -> None:
    assert pod.sh("echo $DEVICE_ID") == "edge-1"
    assert pod.sh('printf %s "$ODD"') == ODD
    assert pod.sh('echo "${EMPTY-unset}" "$NUMBER"') == " 0644"
    assert pod.sh('echo "${ABSENT-unset}" "${NOBODYS-unset}" "$APP"') == f"unset unset {NAME}"
    assert pod.sh('printf "%s." "$CFG_level:$CFG_lines"') == "high:one\ntwo\n."
    assert pod.sh('printf %s "$SECRET_odd"') == ODD
    assert pod.sh("echo $PATH") == "/bin"  # the image's


def test_files_of_config_maps_and_secrets_have_their_content(pod: Pod) -> None:
    assert pod.sh("cd /levels; find -L . -type f; cat sub/dir/level.txt") == (
        "./sub/dir/level.txt\nhigh"
    )
    assert pod.sh("cat /creds/odd") == ODD
    assert "Read-only" in pod.sh("touch /creds/x 2>&1", check=False)


def test_ports_are_published_where_the_pod_says(device: Device, pod: Pod) -> None:
    fetch = "python3 -c \"import urllib.request as u; print(u.urlopen('http://{}/').read())\""
    assert "page" in device.host.sh(fetch.format("127.0.0.1:18080"))
    assert not device.host.sh(fetch.format("192.0.2.10:18080"), check=False)
    listening = device.host.sh("podman port --all | grep -v ^$")
    assert "8080/udp -> 0.0.0.0:18080" in listening
    assert "8081" not in listening


def test_the_pod_has_the_names_that_it_asks_for(device: Device, pod: Pod) -> None:
    assert pod.sh("hostname") == "shop"
    assert "192.0.2.77\tprinter" in pod.sh("grep printer /etc/hosts").replace(" ", "\t")
    resolver = pod.sh("cat /etc/resolv.conf").splitlines()
    servers = [line for line in resolver if line.startswith("nameserver")]
    assert [line for line in resolver if line not in servers] == [
        "search shop.example",
        "options ndots:3",
    ]
    if device.world.suite == "bookworm":
        assert servers == ["nameserver 192.0.2.53"]
    else:  # from podman 4.4 on, the network's own server is asked, which asks that of the pod
        entries = device.host.sh("cat /run/containers/networks/aardvark-dns/*").splitlines()
        assert [entry for entry in entries if entry.endswith(" 192.0.2.53")]
        assert len(servers) == 1


def test_containers_see_each_others_processes_if_they_are_to(pod: Pod) -> None:
    assert "httpd -f -p 8080" in pod.sh("ps -o args", "net")


def test_the_working_directory_and_the_terminal(pod: Pod) -> None:
    assert pod.sh("cat /tmp/folder") == "/etc"
    assert "a terminal" in pod.logs(LONGEST)


def test_host_paths_are_created_where_the_type_says_so(device: Device, pod: Pod) -> None:
    pod.sh("echo from-pod >/deep/x")
    assert device.host.sh("cat /srv/a/b/c/x") == "from-pod\n"
    assert pod.sh("test -f /deep.txt && (echo x >/deep.txt) 2>&1", check=False).endswith(
        "Read-only file system"
    )


def test_a_mount_on_the_device_reaches_the_container(device: Device, pod: Pod) -> None:
    device.host.sh("mkdir -p /srv/propagated/later && mount -t tmpfs later /srv/propagated/later")
    try:
        assert "later" in pod.sh("grep /propagated/later /proc/mounts")
    finally:
        device.host.sh("umount /srv/propagated/later")


def test_an_empty_dir_may_be_the_shared_memory(pod: Pod) -> None:
    pod.sh("echo x >/dev/shm/x")
    assert pod.sh("cat /dev/shm/x") == "x"


def test_users_and_groups_are_those_of_the_security_context(pod: Pod) -> None:
    assert pod.sh("id -u; id -g", "bare") == "1000\n2000"
    assert "3000" in pod.sh("id -G", "bare").split()
    assert pod.sh("id -u") == "0"


def test_a_container_has_only_the_privileges_that_it_is_given(device: Device, pod: Pod) -> None:
    capabilities = "sed -n 's/^CapBnd:\\t//p' /proc/self/status"
    assert int(pod.sh(capabilities, "bare"), 16) == 0
    assert int(pod.sh(capabilities, "net"), 16) == 1 << 12  # CAP_NET_ADMIN
    assert int(pod.sh(capabilities, "free"), 16) > int(pod.sh(capabilities), 16)
    assert pod.sh("grep NoNewPrivs /proc/self/status", "bare").split()[1] == "1"
    assert "Read-only file system" in pod.sh("touch /x 2>&1", "bare", check=False)
    temporary = pod.sh("touch /tmp/x 2>&1", "bare", check=False)
    is_refused = "Read-only file system" in temporary
    assert is_refused == (device.world.suite == "bookworm")  # later, podman mounts a tmpfs
    assert pod.sh("grep Seccomp: /proc/self/status").split()[1] == "2"


def test_limits_are_in_force(pod: Pod) -> None:
    memory, reservation, quota, period = map(int, pod.sh(LIMITS).split())
    assert (memory, reservation) == (64 << 20, 32 << 20)
    assert quota / period == pytest.approx(0.2)


def test_the_second_pod_that_claims_a_port_says_so(device: Device, pod: Pod) -> None:
    port = {"containerPort": 80, "hostPort": 18080, "hostIP": "127.0.0.1"}
    with device.deployed("second", {"containers": [container(ports=[port])]}) as second:
        assert "18080" in second.wait_reason("HostPortInUse")["message"]
    assert pod.is_running()


def test_a_volume_that_is_mounted_but_not_defined_is_named(device: Device, pod: Pod) -> None:
    before = pod.containers()
    mounts = [{"name": "nope", "mountPath": "/nope"}]
    device.deploy(NAME, {"containers": [container(volumeMounts=mounts)]}, **SOURCES)
    status = pod.wait_reason("InvalidSpecification")
    assert status["message"] == (
        'container "main" mounts the volume "nope", which the pod does not have'
    )
    device.deploy(NAME, GIVEN, **SOURCES)
    device.control.wait_applied()
    assert pod.containers() == before


@pytest.mark.parametrize(
    ("policy", "reason"), [("Never", "ImageNeverPull"), ("IfNotPresent", "ImagePullFailed")]
)
def test_an_image_that_is_missing_is_named(device: Device, policy: str, reason: str) -> None:
    spec = {"containers": [container(image="localhost/no-such-image:1", imagePullPolicy=policy)]}
    with device.deployed("imageless", spec) as imageless:
        assert "no-such-image" in imageless.wait_reason(reason)["message"]


@pytest.mark.deep
def test_namespaces_of_the_device_and_sysctls(device: Device) -> None:
    if device.world.suite == "bookworm":
        pytest.skip("podman before 4.5 ignores them, so they are refused")
    spec = {
        "hostPID": True,
        "hostIPC": True,
        "securityContext": {
            "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "1000"}]
        },
        "containers": [container(securityContext={"procMount": "Unmasked"})],
    }
    with device.running("near", spec) as pod:
        assert "systemd" in pod.sh("cat /proc/1/comm")
        assert pod.sh("cat /proc/sys/net/ipv4/ip_unprivileged_port_start") == "1000"
        own = device.host.sh("readlink /proc/self/ns/ipc").strip()
        assert pod.sh("readlink /proc/self/ns/ipc") == own
        assert "/proc/kcore" not in pod.sh("cat /proc/mounts")


def test_a_pod_whose_containers_end_says_how(device: Device) -> None:
    script = "echo starting; echo 'cannot open /etc/shop.conf' >&2; exit 4"
    ends = [container("good", "exit 0"), container("bad", script)]
    with device.deployed("jobs", {"restartPolicy": "Never", "containers": ends}) as jobs:
        status = device.control.wait_status(
            "jobs", lambda status: "its log ends with" in status.get("message", "")
        )
        assert (status["status"], status["reason"]) == ("Exited", "ContainerFailed")
        assert status["message"] == (
            'container "bad" exited with code 4; its log ends with: '
            "starting | cannot open /etc/shop.conf"
        )
        codes = {name: state.exit_code for name, state in jobs.containers().items()}
        assert codes == {"good": 0, "bad": 4}


def test_a_changed_config_map_makes_another_pod(device: Device, pod: Pod) -> None:
    pod.sh("echo kept >/export/x")
    changed = {**SOURCES, "config_maps": {"cfg": {"level": "low", "lines": "three"}}}
    device.update(NAME, GIVEN, **changed)
    assert pod.sh("echo $CFG_level $CFG_lines; cat /export/x") == "low three\nkept"
    assert pod.sh("cat /levels/sub/dir/level.txt") == "low"
    assert device.pod_names().count(NAME) == 1
