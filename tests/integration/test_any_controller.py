"""A controller with ansible-core and the package kubernetes alone manages a fleet on either engine.

It has the collection from its artifact, and nothing of flotta.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest
import yaml
from edge_site import Device, Site, edge_site, fleet_of
from operator_site import ENGINES

from background import in_background
from bare_controller import (
    COLLECTION,
    BareController,
    make_controller,
    make_oldest_controller,
)

PLAYBOOK = Path(__file__).parent / "any_controller.yml"
# They do more than speak with the resource API.
WITH_FLOTTA = {"operator", "control_plane_backup"}


# `make test` runs all targets of the collection on the other engine (test_integration_targets.py).
ENGINES_OF = {"current": ("kubernetes",), "oldest": ENGINES}
MAKERS = {"current": make_controller, "oldest": make_oldest_controller}


@pytest.fixture(scope="module", params=["current", pytest.param("oldest", marks=pytest.mark.deep)])
def packages(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def controller(packages: str, tmp_path_factory: pytest.TempPathFactory) -> BareController:
    return MAKERS[packages](tmp_path_factory.mktemp("controller"))


@pytest.fixture(scope="module")
def sites(packages: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    with ExitStack() as stack:
        yield {
            engine: stack.enter_context(edge_site(tmp_path_factory.mktemp(engine), engine))
            for engine in ENGINES_OF[packages]
        }


def test_it_has_nothing_of_ours(controller: BareController) -> None:
    found = {folder.name for folder in controller.folder.glob("venv/lib/*/site-packages/*")}
    assert {"ansible", "kubernetes"} <= found
    assert not found & {"flotta", "msgspec", "boto3", "podman"}
    assert not [*controller.folder.glob("collections/ansible_collections/flotta/edge/.*")]


def test_the_playbook_has_every_module_that_needs_no_flotta() -> None:
    groups = yaml.safe_load((COLLECTION / "meta/runtime.yml").read_text())["action_groups"]
    (play,) = yaml.safe_load(PLAYBOOK.read_text())
    used = {key.removeprefix("flotta.edge.") for task in play["tasks"] for key in task}
    assert set(groups["edge"]) - WITH_FLOTTA - used == set()


async def test_it_manages_a_fleet(sites: dict[str, Site], controller: BareController) -> None:
    async with AsyncExitStack() as stack:
        hosts = {engine: await devices_of(site, stack) for engine, site in sites.items()}
        done = await asyncio.to_thread(controller.play, PLAYBOOK, hosts)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PRIVATE KEY" not in done.stdout + done.stderr
    assert {host["joined"] for host in hosts.values()} <= read_inventory(controller, sites)


def read_inventory(controller: BareController, sites: dict[str, Site]) -> set[str]:
    """Return the devices of all engines as Ansible finds them."""
    options = []
    for engine, site in sites.items():
        file = controller.folder / f"{engine}.flotta.yml"
        source = {"plugin": "flotta.edge.fleet", "kubeconfig": str(site.kubeconfig)}
        source["hostname"] = "name"
        file.write_text(json.dumps(source))
        options += ["--inventory", str(file)]
    done = controller.ansible("inventory", *options, "--list")
    assert done.returncode == 0, done.stdout + done.stderr
    return set(json.loads(done.stdout)["flotta_devices"]["hosts"])


async def devices_of(site: Site, stack: AsyncExitStack) -> dict[str, str]:
    """Let two devices enrol, one of which reports from then on; return the variables of a host."""
    fleet = await stack.enter_async_context(fleet_of(site))
    joined, waiting = await fleet.joined(), fleet.device()
    stack.push_async_callback(joined.close)
    former = await report(joined)
    await stack.enter_async_context(in_background(keep_reporting(joined, former)))
    stack.push_async_callback(waiting.close)
    assert (await waiting.enrol()).status == 200
    names = {"joined": joined.device_id, "waiting": waiting.device_id}
    return {"kubeconfig": str(site.kubeconfig), "former": former, **names}


async def report(device: Device, former: str = "") -> str:
    """Do what a device does with another configuration than the former one; returns its version."""
    reply = await device.get("data", If_None_Match=f'"{former}"', Prefer="wait=10")
    version = reply.headers["ETag"].strip('"') if reply.status == 200 else former
    assert (await device.beat(version=version)).status == 200
    return version


async def keep_reporting(device: Device, version: str) -> None:
    """Wait for other configurations, and report each at once."""
    while True:
        version = await report(device, version)
