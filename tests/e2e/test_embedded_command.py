"""The program `flotta` on the path of the control plane."""

from __future__ import annotations

from e2e.site import Site

COMMAND = "/usr/local/bin/flotta"


def test_a_command_that_flotta_did_not_create_is_left_alone(site: Site) -> None:
    host = site.storage
    host.run(f"rm {COMMAND} && echo mine > {COMMAND}")
    try:
        result = site.playbook("control_plane")
        assert result.returncode == 0, result.stdout[-3000:]
        assert host.run(f"cat {COMMAND}") == "mine\n"
    finally:
        host.run(f"rm {COMMAND}")
    site.playbook("control_plane")
    assert host.run(f"readlink {COMMAND}") == "/opt/flotta/current/bin/flotta\n"
