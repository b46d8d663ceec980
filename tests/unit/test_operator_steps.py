"""How a plan is carried out when the API refuses a step."""

from __future__ import annotations

from typing import Any

import pytest
from operator_objects import NOW, device, request

from flotta.operator.controllers.request.controller import plan_request
from flotta.operator.runtime.steps import Create, CreationRefused, Patch, Plan, execute_plan
from flotta.resources.client import AlreadyExists, ApiError, Client, Conflict, NotFound, Unreachable
from flotta.resources.kinds import EDGE_DEVICE, SIGNED_REQUEST

MISSING = NotFound(404, "NotFound", 'namespaces "shops" not found')


class RefusingClient(Client):
    """Refuses what is created, and remembers what is patched."""

    def __init__(self, refusal: ApiError, patch_refusal: ApiError | None = None) -> None:
        self._refusal = refusal
        self._patch_refusal = patch_refusal
        self.patches: list[Any] = []

    async def create(self, *_: Any) -> Any:
        raise self._refusal

    async def merge_patch(self, _: Any, __: Any, ___: Any, patch: Any, ____: Any = None) -> Any:
        if self._patch_refusal:
            raise self._patch_refusal
        self.patches.append(patch)
        return {"metadata": {"resourceVersion": "8"}}


def creation() -> Plan:
    return plan_request(request(approved=True), None, NOW, auto=False)


@pytest.mark.parametrize(
    "refusal", [MISSING, Conflict(409, "Conflict", "quota"), ApiError(403, "", "no")]
)
async def test_refused_creation_is_reported_on_its_request_and_an_error(
    refusal: ApiError,
) -> None:
    client = RefusingClient(refusal)
    with pytest.raises(CreationRefused, match=refusal.message):
        await execute_plan(client, creation())
    (patch,) = client.patches
    assert patch["metadata"] == {"resourceVersion": "3"}
    assert refusal.message in patch["status"]["conditions"][0]["message"]


async def test_missing_namespace_is_reported_with_what_to_do() -> None:
    client = RefusingClient(MISSING)
    with pytest.raises(CreationRefused):
        await execute_plan(client, creation())
    message = client.patches[0]["status"]["conditions"][0]["message"]
    assert message.endswith("create the namespace or change spec.targetNamespace")


async def test_api_that_does_not_answer_refuses_nothing() -> None:
    client = RefusingClient(Unreachable(0, "", "no answer"))
    with pytest.raises(Unreachable):
        await execute_plan(client, creation())
    assert client.patches == []


async def test_existing_object_counts_as_created() -> None:
    client = RefusingClient(AlreadyExists(409, "AlreadyExists", "there"))
    assert await execute_plan(client, creation()) == 0.0
    assert client.patches == []


async def test_refusal_that_cannot_be_reported_on_a_deleted_request_stays_an_error() -> None:
    with pytest.raises(CreationRefused):
        await execute_plan(RefusingClient(MISSING, MISSING), creation())


async def test_refusal_that_met_a_changed_request_is_retried_after_growing_delays() -> None:
    conflict = Conflict(409, "Conflict", "changed")
    with pytest.raises(CreationRefused):
        await execute_plan(RefusingClient(MISSING, conflict), creation())


async def test_plan_ends_where_its_object_was_deleted() -> None:
    patch = Patch(SIGNED_REQUEST, request(), {"spec": {"approved": True}})
    rest = Create(EDGE_DEVICE, device())
    client = RefusingClient(ApiError(500, "", "must not be reached"), MISSING)
    assert await execute_plan(client, Plan((patch, rest), requeue_after=7.0)) is None


async def test_second_patch_of_an_object_follows_the_first() -> None:
    client = RefusingClient(MISSING)
    steps = (
        Patch(EDGE_DEVICE, device(), {"metadata": {"labels": {"a": None}}}),
        Patch(EDGE_DEVICE, device(), {"status": {"dataObc": None}}, "status"),
    )
    assert await execute_plan(client, Plan(steps, requeue_after=7.0)) == 7.0
    assert client.patches == [
        {"metadata": {"labels": {"a": None}, "resourceVersion": "5"}},
        {"status": {"dataObc": None}, "metadata": {"resourceVersion": "8"}},
    ]
