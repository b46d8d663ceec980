"""The help of the servers names every variable that they read."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flotta.cli import edge_api, operator
from flotta.edge_api.settings import Settings as EdgeApiSettings
from flotta.operator.settings import Settings as OperatorSettings


class Asked(dict[str, str]):
    """An environment that remembers which variables it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        self.names.add(name)
        return default


@pytest.mark.parametrize(
    ("settings", "epilog"),
    [(EdgeApiSettings, edge_api.EPILOG), (OperatorSettings, operator.EPILOG)],
    ids=["flotta-edge-api", "flotta-operator"],
)
def test_the_help_names_every_variable_that_is_read(
    settings: type[EdgeApiSettings] | type[OperatorSettings], epilog: str
) -> None:
    environment = Asked()
    settings.from_environment(environment)
    told = set(epilog.replace(",", " ").split())
    assert len(environment.names) > 10
    assert sorted(environment.names - told) == []


def test_the_help_of_flotta_is_printed_without_loading_the_client() -> None:
    program = (
        "import sys\nfrom flotta.cli.flotta import main\n"
        "try: main(['--help'])\nexcept SystemExit: sys.exit('kubernetes' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert b"COMMAND" in done.stdout
    assert done.returncode == 0
