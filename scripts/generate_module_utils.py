"""Copy what plugins of the collection need of flotta to its module_utils.

    generate_module_utils.py [COLLECTION]

Ansible sends a module to a host with the module_utils that it imports, and nothing else. So the
rules that control plane and modules share are in the collection twice: in the wheel, and below
`plugins/module_utils/_flotta`. There is each module of flotta that a plugin imports from there,
and whatever these import. Imports become relative. Those of other packages become optional, so
that a plugin can say what is missing.
"""

from __future__ import annotations

import ast
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import crd_module

SOURCE = Path(__file__).parents[1] / "src"
COLLECTION = Path(__file__).parents[1] / "collections/ansible_collections/flotta/edge"
FOLDER = "plugins/module_utils/_flotta"
PACKAGE = "ansible_collections.flotta.edge.plugins.module_utils._flotta"
HEADER = """\
# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/{path}: change that.
"""
# Plugins use the package kubernetes alone: a transport of their own, which cannot watch.
TRANSPORT = "flotta.resources.transport"
DROPPED = {"flotta.resources.client": "watch"}
# The CRDs are files of the package; plugins carry them as Python.
CRDS = "flotta.resources.crd_files"
VERSION = "flotta.version"  # a package in module_utils must have an empty __init__.py
Edit = tuple[int, int, list[str]]  # first line, the line after the last, what replaces them


def main() -> None:
    """Write the folder again."""
    collection = Path(sys.argv[1]) if len(sys.argv) > 1 else COLLECTION
    folder = collection / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    for path, text in generate(collection).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def generate(collection: Path = COLLECTION) -> dict[str, str]:
    """Return the text of each file of the folder, by its path there."""
    files = {f"{_path(module)}": copy(module) for module in find_closure(find_roots(collection))}
    packages = {str(parent) for path in files for parent in Path(path).parents}
    return files | {str(Path(package) / "__init__.py"): "" for package in packages}


def find_roots(collection: Path) -> set[str]:
    """Return the modules of flotta that plugins import from the folder."""
    plugins = sorted((collection / "plugins").rglob("*.py"))
    texts = [file.read_text() for file in plugins if "_flotta" not in file.parts]
    return {
        module
        for text in texts
        for node in _from_imports(ast.parse(text))
        if node.module and f"{node.module}.".startswith(f"{PACKAGE}.")
        for module in _targets(node.module.replace(PACKAGE, "flotta", 1), node.names)
    }


def find_closure(roots: Iterable[str]) -> set[str]:
    """Return modules and all modules of flotta that they import, except the transport."""
    seen: set[str] = set()
    todo = set(roots)
    while todo := todo - seen - {TRANSPORT}:
        seen |= todo
        todo = {module for name in todo - {CRDS} for module in _imports_of_flotta(name)}
    return seen


def copy(module: str) -> str:
    """Return the text of a module of flotta as it is in the folder."""
    header = HEADER.format(path=_file(module).relative_to(SOURCE / "flotta"))
    if module == CRDS:
        return header + crd_module.render()
    text = _file(module).read_text()
    lines = text.splitlines()
    tree = ast.parse(text)
    edits = [*_relative(module, tree, lines), *_optional(tree, lines), *_without(module, tree)]
    for first, end, new in sorted(edits, reverse=True):
        lines[first - 1 : end - 1] = new
    return header + "\n".join(lines) + "\n"


def _relative(module: str, tree: ast.Module, lines: list[str]) -> Iterator[Edit]:
    """Yield the edits that make the imports of flotta relative."""
    dots = "." * (module.count("."))
    for node in _from_imports(tree):
        if not _is_flotta(node.module):
            continue
        name = (node.module or "").removeprefix("flotta").removeprefix(".")
        if name == "" and node.names[0].name == "__version__":
            name = "version"
        place = f".{dots}_transport" if node.module == TRANSPORT else f"{dots}{name}"
        line = lines[node.lineno - 1]
        new = re.sub(r"from flotta[\w.]* import", f"from {place} import", line)
        yield node.lineno, node.lineno + 1, [new]


def _optional(tree: ast.Module, lines: list[str]) -> Iterator[Edit]:
    """Yield the edits that make the imports of other packages optional."""
    for foreign, group in groupby(tree.body, key=_is_foreign):
        nodes = list(group)
        if not foreign:
            continue
        first, end = nodes[0].lineno, _end(nodes[-1])
        names = [alias for node in nodes for alias in _bound(node)]
        yield (
            first,
            end,
            [
                "try:",
                *(f"    {line}".rstrip() for line in lines[first - 1 : end - 1]),
                "except ImportError:  # the plugin that needs it says so",
                f"    {' = '.join(names)} = None",
            ],
        )


def _without(module: str, tree: ast.Module) -> Iterator[Edit]:
    """Yield the edits that leave out what the transport of plugins cannot do."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef) and node.name == DROPPED.get(module):
            yield node.lineno, _end(node) + 1, []


def _end(node: ast.stmt) -> int:
    """Return the line after a statement."""
    return (node.end_lineno or node.lineno) + 1


def _from_imports(tree: ast.AST) -> Iterator[ast.ImportFrom]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))


def _is_flotta(name: str | None) -> bool:
    return f"{name}.".startswith("flotta.")


def _is_foreign(node: ast.stmt) -> bool:
    """Tell whether a statement imports from neither flotta nor the standard library."""
    if isinstance(node, ast.ImportFrom):
        names = [node.module or ""]
    elif isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        return False
    packages = {name.split(".")[0] for name in names}
    return not packages & {"flotta", *sys.stdlib_module_names}


def _bound(node: ast.stmt) -> list[str]:
    """Return the names that an import binds."""
    aliases = node.names if isinstance(node, ast.Import | ast.ImportFrom) else []
    return [(alias.asname or alias.name).split(".")[0] for alias in aliases]


def _imports_of_flotta(module: str) -> set[str]:
    tree = ast.parse(_file(module).read_text())
    found = [node for node in _from_imports(tree) if _is_flotta(node.module)]
    return {target for node in found for target in _targets(node.module or "", node.names)}


def _targets(module: str, names: Iterable[ast.alias]) -> list[str]:
    """Return the modules that `from module import names` needs."""
    if module != "flotta" and (SOURCE / f"{module.replace('.', '/')}.py").exists():
        return [module]
    given = [alias.name for alias in names]
    return [VERSION if name == "__version__" else f"{module}.{name}" for name in given]


def _file(module: str) -> Path:
    path = "flotta/__init__" if module == VERSION else module.replace(".", "/")
    file = SOURCE / f"{path}.py"
    if not file.exists():
        raise SystemExit(f"{module} is not a module; import a name from where it is defined")
    return file


def _path(module: str) -> str:
    return f"{module.removeprefix('flotta.').replace('.', '/')}.py"


if __name__ == "__main__":
    main()
