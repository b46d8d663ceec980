"""Parts of a control plane on a real Kubernetes API, each without the other."""

from __future__ import annotations

import pytest
from installation_site import S3, Place, add_data, titles

from flotta.installation.kinds import DEPLOYMENT
from flotta.resources.kinds import EDGE_DEVICE, NAMESPACE, SECRET

EDGE_API = {"components": ["edge_api"]}
OPERATOR = {"components": ["operator"]}


async def test_parts_that_are_installed_one_by_one_are_the_whole(place: Place) -> None:
    given = {"s3": S3, "network_policy": {}}
    async with place.kubelet():
        first = await place.present(wait_timeout=60, **EDGE_API, **given)
        assert not any("operator" in title for title in titles(first))
        assert first.endpoint
        second = await place.present(wait_timeout=60, **OPERATOR, **given)
        assert not any("edge-api" in title for title in titles(second))
        assert (second.endpoint, second.server_names) == ("", ())
        assert titles(await place.present(wait_timeout=60, **given)) == []


async def test_a_part_is_uninstalled_without_the_other(place: Place) -> None:
    given = {"s3": S3, "network_policy": {}}
    await place.present(**given)
    whole = set(await place.ours())
    outcome = await place.absent(components=("operator",))
    assert titles(await place.present(check_mode=True, **EDGE_API, **given)) == []
    assert titles(await place.absent(components=("operator",))) == []
    await place.present(**OPERATOR, **given)
    assert set(await place.ours()) == whole
    await place.absent(components=("edge_api",))
    assert titles(await place.present(check_mode=True, **OPERATOR, **given)) == []
    assert not any("edge-api" in title for title in titles(outcome))
    await place.absent(components=("operator",), wait_timeout=60)
    assert await place.ours() == []
    left = [item["metadata"]["name"] for item in await place.client.list(NAMESPACE)]
    assert place.namespace not in left


async def test_each_part_takes_its_own_data_with_it(place: Place) -> None:
    await place.present()
    await add_data(place)
    await place.absent(components=("edge_api",), delete_data=True, wait_timeout=0)
    assert await place.find(SECRET, "flotta-ca") is None
    assert await place.client.get(EDGE_DEVICE, "till-1", "default")
    assert await place.find(DEPLOYMENT, "flotta-operator")
    await place.absent(components=("operator",), delete_data=True)
    assert await place.client.list(EDGE_DEVICE) == []


@pytest.mark.parametrize("components", [[], ["edge_api", "gateway"]])
async def test_unknown_parts_are_refused(place: Place, components: list[str]) -> None:
    with pytest.raises(ValueError, match="use a list of edge_api and operator"):
        await place.present(components=components)
