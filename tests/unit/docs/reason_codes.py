"""Reason codes of the source, found by what is passed as a `reason`.

A reason is whatever is bound to a parameter, field, attribute, variable or key of this name (or to
the `activity` that is reported as one), and the second value of a `ConditionState`. So a code that
is written somewhere new is found, however it is written there.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path

CODE = re.compile(r"[A-Z][a-z]+[A-Za-z]*|OOMKilled")
NAMES = ("reason", "activity")
ONLY_BY_NAME = 1000  # position of a parameter that has none
STATE = "ConditionState"
# What a part of a code that is put together at run time can be.
PARTS = {"kind": ("ConfigMap", "Secret")}
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Source:
    """All modules below a folder, read as a whole."""

    def __init__(self, root: Path) -> None:
        self._trees = {path: ast.parse(path.read_text()) for path in root.rglob("*.py")}
        self._root = root
        self._constants: dict[str, ast.expr] = {}
        self._functions: dict[str, list[Function]] = {}
        self._bases: dict[str, list[str]] = {}  # of classes
        self._positions: dict[str, set[tuple[str, int]]] = {}  # callable: parameter, position
        for tree in self._trees.values():
            for node in ast.walk(tree):
                self._learn(node)
            for statement in tree.body:
                if isinstance(statement, ast.Assign):
                    self._learn_constants(statement)

    def codes(self, packages: Iterable[str]) -> set[str]:
        """Return the reason codes that these packages set."""
        folders = [self._root / package for package in packages]
        trees = [
            tree
            for path, tree in self._trees.items()
            if any(path.is_relative_to(folder) for folder in folders)
        ]
        found = {code for tree in trees for code in self._codes_of(tree)}
        return {code for code in found if CODE.fullmatch(code)}

    def _learn(self, node: ast.AST) -> None:
        if isinstance(node, Function):
            self._functions.setdefault(node.name, []).append(node)
            parameters = [argument.arg for argument in node.args.args]
            skip = parameters[:1] in (["self"], ["cls"])
            self._learn_parameters(node.name, parameters[skip:])
            self._learn_keywords(node.name, node)
        elif isinstance(node, ast.ClassDef):
            self._bases[node.name] = [ast.unparse(base) for base in node.bases]
            self._learn_parameters(node.name, _constructor_parameters(node))
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and item.name == "__init__":
                    self._learn_keywords(node.name, item)

    def _learn_keywords(self, name: str, function: Function) -> None:
        for argument in function.args.kwonlyargs:
            if argument.arg in NAMES:
                self._positions.setdefault(name, set()).add((argument.arg, ONLY_BY_NAME))

    def _learn_parameters(self, name: str, parameters: list[str]) -> None:
        for position, parameter in enumerate(parameters):
            if parameter in NAMES:
                self._positions.setdefault(name, set()).add((parameter, position))

    def _learn_constants(self, statement: ast.Assign) -> None:
        for target in statement.targets:
            if isinstance(target, ast.Name):
                self._constants[target.id] = statement.value
            elif isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple):
                for name, value in zip(target.elts, statement.value.elts, strict=True):
                    if isinstance(name, ast.Name):
                        self._constants[name.id] = value

    def _codes_of(self, tree: ast.Module) -> Iterator[str]:
        for function in (node for node in ast.walk(tree) if isinstance(node, Function)):
            for expression in self._reasons_in(function):
                yield from self._values(expression, function)

    def _reasons_in(self, function: Function) -> Iterator[ast.expr]:
        """Yield what stands for a reason in a function."""
        states = STATE in ast.unparse(function.returns) if function.returns else False
        for node in ast.walk(function):
            match node:
                case ast.Call():
                    yield from self._arguments(node)
                case ast.Assign():
                    for target in node.targets:
                        yield from _assigned(target, node.value)
                case ast.AnnAssign(value=ast.expr() as value):
                    yield from _assigned(node.target, value)
                    if STATE in ast.unparse(node.annotation):
                        yield from _second_values(value)
                case ast.Dict():
                    yield from _values_of_keys(node)
                case ast.Return(value=ast.expr() as value) if states:
                    yield from _second_values(value)

    def _arguments(self, call: ast.Call) -> Iterator[ast.expr]:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
        for parameter, position in self._positions_of(name):
            before = call.args[: position + 1]
            if len(before) > position and not any(isinstance(arg, ast.Starred) for arg in before):
                yield before[position]
            yield from (item.value for item in call.keywords if item.arg == parameter)

    def _positions_of(self, name: str) -> set[tuple[str, int]]:
        """Return the parameters of a callable that take a reason; a class has those of its base."""
        inherited = (self._positions_of(base) for base in self._bases.get(name, []))
        return self._positions.get(name, set()).union(*inherited)

    def _values(self, expression: ast.expr, function: Function) -> set[str]:
        """Return the texts that an expression can be, as far as the source says."""
        match expression:
            case ast.Constant(value=str() as text):
                return {text}
            case ast.IfExp():
                return self._values(expression.body, function) | self._values(
                    expression.orelse, function
                )
            case ast.BoolOp():
                return {text for item in expression.values for text in self._values(item, function)}
            case ast.JoinedStr():
                return _joined(expression)
            case ast.Name(id=name):
                return self._values_of_name(name, function)
            case ast.Call(func=ast.Name(id=name)):
                return {
                    text
                    for called in self._functions.get(name, [])
                    for node in ast.walk(called)
                    if isinstance(node, ast.Return) and node.value is not None
                    for text in self._values(node.value, called)
                }
            case ast.Call(func=ast.Attribute(attr="get"), args=[_, default]):
                return self._values(default, function)
        return set()

    def _values_of_name(self, name: str, function: Function) -> set[str]:
        if name in self._constants:
            return self._values(self._constants[name], function)
        found: set[str] = set()
        for node in ast.walk(function):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name) and target.id == name:
                        found |= self._values(node.value, function)
            elif isinstance(node, ast.For) and isinstance(node.target, ast.Tuple):
                found |= _column(node.target, node.iter, name)
        return found


def _assigned(target: ast.expr, value: ast.expr) -> Iterator[ast.expr]:
    """Yield what an assignment gives to a reason."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for item, part in zip(target.elts, value.elts, strict=True):
            yield from _assigned(item, part)
        return
    named = {
        ast.Name: lambda node: node.id,
        ast.Attribute: lambda node: node.attr,
        ast.Subscript: lambda node: getattr(node.slice, "value", None),
    }.get(type(target), lambda _: None)
    if named(target) in NAMES:
        yield value


def _constructor_parameters(node: ast.ClassDef) -> list[str]:
    """Return what a class is called with: the parameters of `__init__`, else the fields."""
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            return [argument.arg for argument in item.args.args[1:]]
    return [
        item.target.id
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    ]


def _values_of_keys(node: ast.Dict) -> Iterator[ast.expr]:
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Constant) and key.value in NAMES:
            yield value


def _second_values(expression: ast.expr) -> Iterator[ast.expr]:
    for node in ast.walk(expression):
        if isinstance(node, ast.Tuple) and len(node.elts) == 3:
            yield node.elts[1]


def _joined(expression: ast.JoinedStr) -> set[str]:
    """Return the texts of an f-string whose parts are known."""
    parts: list[tuple[str, ...]] = []
    for item in expression.values:
        if isinstance(item, ast.Constant):
            parts.append((str(item.value),))
        elif isinstance(item, ast.FormattedValue):
            parts.append(PARTS.get(ast.unparse(item.value), ()))
    return {"".join(words) for words in product(*parts)}


def _column(target: ast.Tuple, rows: ast.expr, name: str) -> set[str]:
    """Return what a loop over a literal table gives to one of its variables."""
    names = [item.id for item in target.elts if isinstance(item, ast.Name)]
    if name not in names or not isinstance(rows, ast.Tuple | ast.List):
        return set()
    return {
        row.elts[names.index(name)].value
        for row in rows.elts
        if isinstance(row, ast.Tuple) and isinstance(row.elts[names.index(name)], ast.Constant)
    }
