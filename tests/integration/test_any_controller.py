"""A controller with ansible-core and the package kubernetes alone manages a fleet on either engine.

It has the collection from its artifact, and nothing of flotta.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from edge_site import Fleet

from bare_controller import ROOT, BareController, make_controller

PLAYBOOK = Path(__file__).parent / "any_controller.yml"
COLLECTION = ROOT / "collections/ansible_collections/flotta/edge"
# They do more than speak with the resource API.
WITH_FLOTTA = {"operator", "control_plane_backup"}


@pytest.fixture(scope="session")
def controller(tmp_path_factory: pytest.TempPathFactory) -> BareController:
    return make_controller(tmp_path_factory.mktemp("controller"))


def test_it_has_nothing_of_ours(controller: BareController) -> None:
    packages = {folder.name for folder in controller.folder.glob("venv/lib/*/site-packages/*")}
    assert {"ansible", "kubernetes"} <= packages
    assert not packages & {"flotta", "msgspec", "boto3", "podman"}


def test_the_playbook_has_every_module_that_needs_no_flotta() -> None:
    groups = yaml.safe_load((COLLECTION / "meta/runtime.yml").read_text())["action_groups"]
    (play,) = yaml.safe_load(PLAYBOOK.read_text())
    used = {key.removeprefix("flotta.edge.") for task in play["tasks"] for key in task}
    assert set(groups["edge"]) - WITH_FLOTTA - used == set()


async def test_it_manages_a_fleet(
    fleet: Fleet, controller: BareController, request: pytest.FixtureRequest
) -> None:
    joined, waiting = await fleet.joined(), fleet.device("waiting-1")
    assert (await waiting.enrol()).status == 200
    done = controller.play(
        PLAYBOOK,
        kubeconfig=str(fleet.site.kubeconfig),
        joined=joined.device_id,
        waiting=waiting.device_id,
        engine=request.node.callspec.params["engine_site"],
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PRIVATE KEY" not in done.stdout + done.stderr
    await joined.close()
    await waiting.close()
