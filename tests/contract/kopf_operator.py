"""A small operator such as users write; `kopf run` starts it as a separate process."""

from __future__ import annotations

from typing import Any

import kopf

DEVICES = ("management.project-flotta.io", "v1alpha1", "edgedevices")


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    # The other storages write into the status, from which our schemas prune it.
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage()


@kopf.on.create(*DEVICES)
def created(body: kopf.Body, patch: kopf.Patch, **_: Any) -> None:
    patch.status["phase"] = "created"
    patch.metadata.annotations["example.com/by"] = "kopf"
    kopf.info(body, reason="Created", message="seen")


@kopf.on.update(*DEVICES, field="spec")
def updated(patch: kopf.Patch, spec: kopf.Spec, **_: Any) -> None:
    patch.status["phase"] = f"updated to {spec['heartbeat']['periodSeconds']}"


@kopf.on.delete(*DEVICES)
def deleted(body: kopf.Body, **_: Any) -> None:
    kopf.info(body, reason="Deleted", message="cleaned up")
