"""Measures of Python files; measure_code.py says how each is counted and prints them."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from untyped_objects import Names, name_module

GENERATED = ("_pb2.py", "_grpc.py")
BLOCKS = (
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.Try,
    ast.TryStar,
    ast.With,
    ast.AsyncWith,
    ast.Match,
)
SPACE = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class FunctionMeasures:
    """The measures of one function."""

    place: str
    length: int
    nesting: int
    public: bool
    documented: bool
    typed: bool
    untyped_object: bool
    any: bool


@dataclass(frozen=True)
class VariableMeasures:
    """The measures of a variable's annotation."""

    field: bool  # whether it is a field of a class; otherwise it is in a module or function
    untyped_object: bool
    any: bool


@dataclass(frozen=True)
class FileMeasures:
    """The measures of one file."""

    place: str
    length: int
    code_lines: int
    comment_lines: int
    sleeps: int
    functions: list[FunctionMeasures]
    variables: list[VariableMeasures]


@dataclass(frozen=True)
class Source:
    """A Python file."""

    place: str  # its path below the root
    module: str
    text: str
    tree: ast.Module


def read_sources(root: Path, folder: str) -> list[Source]:
    """Return every Python file below a folder that counts."""
    paths = sorted(path for path in (root / folder).rglob("*.py") if path.stat().st_size)
    return [read_source(path, root) for path in paths if not path.name.endswith(GENERATED)]


def read_source(path: Path, root: Path) -> Source:
    """Return one Python file."""
    text = path.read_text(encoding="utf-8")
    module = name_module(path, root)
    return Source(str(path.relative_to(root)), module, text, ast.parse(text))


def measure_file(source: Source, names: Names) -> FileMeasures:
    """Return the measures of one file."""
    code, comments = count_lines(source.text)
    functions = [
        measure_function(function, hidden, source, names)
        for function, hidden in walk_functions(source.tree)
    ]
    variables = [
        VariableMeasures(
            field=is_field,
            untyped_object=names.has_untyped(variable.annotation, source.module),
            any=names.has_any(variable.annotation, source.module),
        )
        for variable, is_field in walk_variables(source.tree)
    ]
    length, sleeps = len(source.text.splitlines()), count_sleeps(source.tree)
    return FileMeasures(source.place, length, code, comments, sleeps, functions, variables)


def count_lines(text: str) -> tuple[int, int]:
    """Return how many lines have code, and how many have a comment."""
    code: set[int] = set()
    comments = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            comments += bool(code)
        elif token.type not in SPACE:
            code.update(range(token.start[0], token.end[0] + 1))
    return len(code), comments


def walk_functions(node: ast.AST, hidden: bool = False) -> Iterator[tuple[Function, bool]]:
    """Yield every function below a node, and whether what surrounds it makes it private."""
    for child in ast.iter_child_nodes(node):
        hides = hidden
        if isinstance(child, Function):
            yield child, hidden
            hides = True
        elif isinstance(child, ast.ClassDef):
            hides = hidden or child.name.startswith("_")
        yield from walk_functions(child, hides)


def walk_variables(tree: ast.Module) -> Iterator[tuple[ast.AnnAssign, bool]]:
    """Yield every variable with an annotation, and whether it is a field of a class."""
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.AnnAssign):
                yield child, isinstance(node, ast.ClassDef)


def measure_function(
    function: Function, hidden: bool, source: Source, names: Names
) -> FunctionMeasures:
    """Return the measures of one function; `hidden` tells whether its surroundings are private."""
    annotations = find_annotations(function)
    return FunctionMeasures(
        place=f"{source.place}:{function.lineno} {function.name}",
        length=(function.end_lineno or function.lineno) - function.lineno + 1,
        nesting=measure_nesting(function.body),
        public=not function.name.startswith("_") and not hidden,
        documented=ast.get_docstring(function) is not None,
        typed=function.returns is not None,
        untyped_object=any(names.has_untyped(item, source.module) for item in annotations),
        any=any(names.has_any(item, source.module) for item in annotations),
    )


def find_annotations(function: Function) -> list[ast.expr]:
    """Return the annotations of the arguments and of the return value."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
    annotations = [argument.annotation for argument in every] + [function.returns]
    return [annotation for annotation in annotations if annotation]


def measure_nesting(body: Iterable[ast.AST]) -> int:
    """Return the levels of blocks in a body; functions and classes inside count separately."""
    return max((nesting_of(statement) for statement in body), default=0)


def nesting_of(node: ast.AST) -> int:
    """Return the levels of blocks that a statement, or a part of it, opens."""
    if isinstance(node, Function | ast.ClassDef | ast.Lambda):
        return 0
    if isinstance(node, ast.If) and len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
        # An elif is on the level of its if.
        return max(1 + measure_nesting(node.body), nesting_of(node.orelse[0]))
    return isinstance(node, BLOCKS) + measure_nesting(ast.iter_child_nodes(node))


def count_sleeps(tree: ast.Module) -> int:
    """Return how often something named `sleep` is called."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = [getattr(call, "attr", None) or getattr(call, "id", None) for call in calls]
    return names.count("sleep")
