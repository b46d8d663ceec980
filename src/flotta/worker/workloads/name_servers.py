"""`dnsPolicy` of a pod, which podman does not read: with `None`, only `dnsConfig` counts."""

from __future__ import annotations

from flotta.worker.workloads.pod_spec import PodSpec

NO_DOMAINS = ["."]  # as podman-run(1) has it for --dns-search


def leave_out_domains_of_device(spec: PodSpec) -> None:
    """Have podman leave out the device's search domains where a pod asks for none."""
    if spec.get("dnsPolicy") == "None":
        config = spec.setdefault("dnsConfig", {})
        if not config.get("searches"):
            config["searches"] = NO_DOMAINS
