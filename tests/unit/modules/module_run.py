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
from ansible.module_utils import basic

COLLECTIONS = Path(__file__).parents[3] / "collections"
MODULES = "ansible_collections.flotta.edge.plugins.modules"


def loaded(name: str) -> ModuleType:
    """Return a plugin's module, by its name below the folder of modules."""
    if str(COLLECTIONS) not in sys.path:
        sys.path.append(str(COLLECTIONS))
    return importlib.import_module(f"{MODULES}.{name}")


def run(name: str, /, check_mode: bool = False, **parameters: Any) -> dict[str, Any]:
    """Run a module with these parameters; returns what it answers."""
    module, printed = loaded(name), io.StringIO()
    arguments = {**parameters, "_ansible_check_mode": check_mode, "_ansible_diff": True}
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(
            basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
        )
        # The way in which 2.19 and later answer; earlier ones know only one.
        patch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        with pytest.raises(SystemExit):
            module.main()
    answer: dict[str, Any] = json.loads(printed.getvalue().strip().splitlines()[-1])
    return answer
