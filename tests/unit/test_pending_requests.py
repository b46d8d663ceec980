"""Which requests have a place among those that have not registered, and what a flood leaves."""

from __future__ import annotations

from typing import Any

import pytest

from flotta.edge_api.backends.crd.pending_requests import PendingLimits, PendingRequests
from flotta.edge_api.refusals import Refusal
from flotta.resources.cache import Cache
from flotta.resources.kinds import EDGE_DEVICE, SIGNED_REQUEST

Object = dict[str, Any]
GROUP = "management.project-flotta.io"


class Site:
    """The caches of an Edge API, which a test fills as watches do."""

    def __init__(self, per_batch: int = 2, per_namespace: int = 3) -> None:
        self.requests: Cache[Any] = Cache(None, SIGNED_REQUEST)  # type: ignore[arg-type]
        self.devices: Cache[Any] = Cache(None, EDGE_DEVICE)  # type: ignore[arg-type]
        limits = PendingLimits(per_batch, per_namespace)
        self.pending = PendingRequests(self.requests, self.devices, limits)
        self._version = 0

    def tell(self, cache: Cache[Any], name: str, obj: Object) -> None:
        self._version += 1
        head = {"name": name, "namespace": "default", "resourceVersion": str(self._version)}
        metadata = {**head, **obj.pop("metadata", {})}
        cache._apply_event("MODIFIED", {"metadata": metadata, **obj})

    def request(self, name: str, batch: str = "shops", declined: bool = False, **spec: Any) -> None:
        annotations = {f"{GROUP}/registration-batch": batch}
        if declined:
            annotations[f"{GROUP}/declined"] = "true"
        noted = {"annotations": annotations}
        wanted = {"targetNamespace": "default", **spec}
        self.tell(self.requests, name, {"metadata": noted, "spec": wanted})

    def device(self, name: str, **metadata: Any) -> None:
        self.tell(self.devices, name, {"metadata": metadata})

    def has_room(self, batch: str = "shops") -> bool:
        try:
            with self.pending.place("late", "default", batch):
                raise NotCreatedError
        except NotCreatedError:
            return True
        except Refusal as refusal:
            return refusal.reason != "TooManyPendingRequests"


class NotCreatedError(Exception):
    """The request could not be created after all."""


@pytest.fixture
def site() -> Site:
    site = Site()
    site.request("a")
    site.request("b")
    return site


def test_a_batch_and_a_namespace_are_full(site: Site) -> None:
    assert not site.has_room()
    assert site.has_room("other")
    site.request("c", "other")
    assert not site.has_room("third")


@pytest.mark.parametrize(
    "metadata",
    [{}, {"labels": {"edgedeviceSignedRequest": "true"}}],
    ids=["made by hand", "approved"],
)
def test_an_approval_makes_no_room_and_a_registration_does(
    site: Site, metadata: dict[str, Any]
) -> None:
    site.request("a", approved=True)
    site.device("a", **metadata)
    assert not site.has_room()

    site.device("a", annotations={f"{GROUP}/key-fingerprint": "ab" * 32})

    assert site.has_room()


def test_a_request_that_was_declined_takes_no_place(site: Site) -> None:
    site.request("a", declined=True)
    assert site.has_room()
    site.request("c", "other")
    assert site.has_room("third")
    site.request("a")  # it waits again
    assert not site.has_room()


def test_a_device_that_is_deleted_waits_again_with_its_request(site: Site) -> None:
    registered = {"annotations": {f"{GROUP}/key-fingerprint": "ab" * 32}}
    site.device("a", **registered)
    assert site.has_room()
    obj = site.devices.get("default", "a")
    site.devices._apply_event("DELETED", obj)
    assert not site.has_room()
    request = site.requests.get("default", "a")
    site.requests._apply_event("DELETED", request)
    assert site.has_room()


def test_what_is_refused_or_fails_leaves_nothing(site: Site) -> None:
    before = len(site.pending._unseen), len(site.pending._counted)
    for number in range(1000):
        assert not site.has_room()
        assert site.has_room(f"other-{number}")
    assert (len(site.pending._unseen), len(site.pending._counted)) == before
    assert len(site.pending._batches) == 1
