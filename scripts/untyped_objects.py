"""Annotations without a type: objects such as dict[str, Any], and a plain Any.

An object without a type is a mapping (dict, Mapping and similar) that is bare or has Any as its key
or value, alone or in a union, and a class derived from such a mapping. It is found anywhere in an
annotation: alone, in a container or a callable, in quotes, or as an alias that any module defines,
under whatever name it was imported. The same holds for Any. `Mapping[str, object]` (`Manifest`,
`MergePatch`) does not count: a type checker refuses any use of its fields.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

MAPPINGS = {
    *("dict", "Dict", "Mapping", "MutableMapping", "UserDict", "ChainMap"),
    *("defaultdict", "DefaultDict", "OrderedDict"),
}
UNIONS = {"Optional", "Union"}


class Names:
    """What the names in the annotations of some modules stand for.

    The keys of `modules` are the names under which other modules import them.
    """

    def __init__(self, modules: Mapping[str, ast.Module]) -> None:
        self._imports = {
            f"{module}.{name}": target
            for module, tree in modules.items()
            for name, target in _list_imports(tree)
        }
        self._objects: set[str] = set()
        self._anys = {"typing.Any", "typing_extensions.Any"}
        defined = [
            (module, *definition)
            for module, tree in modules.items()
            for definition in _list_definitions(tree)
        ]
        while self._learn(defined):  # an alias may refer to another alias
            pass

    def has_untyped(self, annotation: ast.expr, module: str) -> bool:
        """Tell whether there is an object without a type in an annotation of a module."""
        return any(self._is_untyped(node, module) for node in _walk_annotation(annotation))

    def has_any(self, annotation: ast.expr, module: str) -> bool:
        """Tell whether there is an Any in an annotation of a module, including such objects."""
        return any(self._is_any(node, module) for node in _walk_annotation(annotation))

    def _learn(self, defined: list[tuple[str, str, ast.expr]]) -> bool:
        """Add the names that stand for something already known; tell whether any were added."""
        before = len(self._objects) + len(self._anys)
        for module, name, value in defined:
            if self.has_untyped(value, module):
                self._objects.add(f"{module}.{name}")
            if self.has_any(value, module):
                self._anys.add(f"{module}.{name}")
        return len(self._objects) + len(self._anys) > before

    def _is_untyped(self, node: ast.AST, module: str) -> bool:
        if isinstance(node, ast.Name | ast.Attribute):
            return self._is_mapping(node, module) or self._resolve(node, module) in self._objects
        if not isinstance(node, ast.Subscript) or not self._is_mapping(node.value, module):
            return False
        return any(self._is_any(choice, module) for choice in _list_choices(node.slice))

    def _is_mapping(self, node: ast.expr, module: str) -> bool:
        return _last_name(self._resolve(node, module)) in MAPPINGS

    def _is_any(self, node: ast.AST, module: str) -> bool:
        if not isinstance(node, ast.Name | ast.Attribute):
            return False
        return self._resolve(node, module) in self._anys

    def _resolve(self, node: ast.expr, module: str) -> str:
        """Return the full name of what an expression in a module refers to."""
        first, dot, rest = ast.unparse(node).partition(".")
        name = self._imports.get(f"{module}.{first}", f"{module}.{first}") + dot + rest
        while name in self._imports:  # re-exported by a module that imports it
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
    """Yield each imported name as the module uses it, and its full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                yield alias.asname or first, alias.name if alias.asname else first


def _list_definitions(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Yield each name that may stand for a type in the module, and its definition."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from ((node.name, base) for base in node.bases)
        elif isinstance(node, ast.Assign) and _may_be_type(node.value):
            yield from ((to.id, node.value) for to in node.targets if isinstance(to, ast.Name))
        elif isinstance(node, ast.AnnAssign) and node.value and _may_be_type(node.value):
            yield ast.unparse(node.target), node.value


def _may_be_type(value: ast.expr) -> bool:
    return isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.BinOp)


def _walk_annotation(annotation: ast.AST) -> Iterator[ast.AST]:
    """Yield every expression in an annotation, including quoted parts, except a name before `[`."""
    node = _unquote(annotation) if isinstance(annotation, ast.expr) else annotation
    yield node
    parts = [node.slice] if isinstance(node, ast.Subscript) else ast.iter_child_nodes(node)
    for part in parts:
        yield from _walk_annotation(part)


def _list_choices(node: ast.expr) -> Iterator[ast.expr]:
    """Yield what a key or a value may be: the parts of tuples and unions."""
    node = _unquote(node)
    if isinstance(node, ast.Tuple):
        parts = node.elts
    elif isinstance(node, ast.BinOp):
        parts = [node.left, node.right]
    elif isinstance(node, ast.Subscript) and _last_name(ast.unparse(node.value)) in UNIONS:
        parts = [node.slice]
    else:
        yield node
        return
    for part in parts:
        yield from _list_choices(part)


def _unquote(node: ast.expr) -> ast.expr:
    """Return the expression in a string, or the string itself if it is not one, as in Literal."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            return ast.parse(node.value, mode="eval").body
        except SyntaxError:
            return node
    return node


def _last_name(name: str) -> str:
    return name.rpartition(".")[2]
