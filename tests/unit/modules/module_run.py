"""Run a module of the collection in this process, on whatever ansible-core is installed here."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from ansible.module_utils import basic

COLLECTIONS = Path(__file__).parents[3] / "collections"
# of every module ("Return Values" in Ansible's documentation)
COMMON = {"changed", "failed", "msg", "diff", "invocation", "warnings", "deprecations", "exception"}
MODULES = "ansible_collections.flotta.edge.plugins.modules"


def loaded(name: str) -> ModuleType:
    """Return a plugin's module, by its name below the folder of modules."""
    if str(COLLECTIONS) not in sys.path:
        sys.path.append(str(COLLECTIONS))
    return importlib.import_module(f"{MODULES}.{name}")


def started(name: str, /, check_mode: bool = False, **parameters: Any) -> None:
    """Start a module with these parameters; it ends by SystemExit."""
    arguments = {**parameters, "_ansible_check_mode": check_mode, "_ansible_diff": True}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
        )
        # The way in which 2.19 and later answer; earlier ones know only one.
        patch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        loaded(name).main()


def run(name: str, /, check_mode: bool = False, **parameters: Any) -> dict[str, Any]:
    """Run a module with these parameters; returns what it answers, all of which is documented."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), pytest.raises(SystemExit):
        started(name, check_mode, **parameters)
    answer: dict[str, Any] = json.loads(printed.getvalue().strip().splitlines()[-1])
    assert set(answer) - COMMON <= set(yaml.safe_load(loaded(name).RETURN)), answer
    return answer
