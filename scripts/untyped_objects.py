"""Objects without a type in annotations: dict[str, Any], and every name that stands for it.

Found are dict, Dict, Mapping and MutableMapping from str to Any, wherever they are in an
annotation: alone, in a container or a callable, in quotes, or as an alias that any module defines,
under whatever name it was imported. Not found is `Mapping[str, object]` (`Manifest`, `MergePatch`):
a type checker lets nobody use a field of it. `Any` alone is not an object either.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

MAPPINGS = {"dict", "Dict", "Mapping", "MutableMapping"}


class Names:
    """What the names in the annotations of some modules stand for.

    `modules` are by the names under which others import them.
    """

    def __init__(self, modules: Mapping[str, ast.Module]) -> None:
        self._imports = {
            f"{module}.{name}": target
            for module, tree in modules.items()
            for name, target in _list_imports(tree)
        }
        self._aliases: set[str] = set()
        assigned = [
            (f"{module}.{name}", module, value)
            for module, tree in modules.items()
            for name, value in _list_assignments(tree)
        ]
        # An alias may be made of another one.
        while found := {
            name
            for name, module, value in assigned
            if name not in self._aliases and self.has_untyped(value, module)
        }:
            self._aliases |= found

    def has_untyped(self, annotation: ast.expr, module: str) -> bool:
        """Tell whether there is an object without a type in an annotation of a module."""
        return any(self._is_untyped(node, module) for node in _walk_annotation(annotation))

    def _is_untyped(self, node: ast.AST, module: str) -> bool:
        if isinstance(node, ast.Name | ast.Attribute):
            return self._resolve(node, module) in self._aliases
        if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Tuple):
            return False
        named = [self._resolve(part, module) for part in (node.value, *node.slice.elts)]
        mapping, *parameters = [name.rpartition(".")[2] for name in named]
        return mapping in MAPPINGS and parameters == ["str", "Any"]

    def _resolve(self, node: ast.expr, module: str) -> str:
        """Return the full name of what an expression of a module names."""
        first, dot, rest = ast.unparse(node).partition(".")
        name = self._imports.get(f"{module}.{first}", f"{module}.{first}") + dot + rest
        while name in self._imports:  # a module that imports it hands it on
            name = self._imports[name]
        return name


def name_module(path: Path, root: Path) -> str:
    """Return the name under which the Python file `path` below `root` is imported."""
    top = path.parent
    while (top / "__init__.py").exists():
        top = top.parent
    if (root / "collections") in path.parents:  # Ansible's packages have no __init__.py
        top = root / "collections"
    parts = path.relative_to(top).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _list_imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield each imported name, as the module calls it, and its full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                yield alias.asname or first, alias.name if alias.asname else first


def _list_assignments(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Yield each name that the module assigns, and the expression."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            yield from ((to.id, node.value) for to in node.targets if isinstance(to, ast.Name))
        elif isinstance(node, ast.AnnAssign) and node.value and isinstance(node.target, ast.Name):
            yield node.target.id, node.value


def _walk_annotation(annotation: ast.expr) -> Iterator[ast.AST]:
    """Yield every expression in an annotation, in quoted parts too."""
    for node in ast.walk(annotation):
        yield node
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                quoted = ast.parse(node.value, mode="eval").body
            except SyntaxError:  # a text, as in Literal
                continue
            yield from ast.walk(quoted)
