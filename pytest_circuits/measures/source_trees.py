"""Python code without what doesn't change what it does: its syntax tree, and the names it reads."""

from __future__ import annotations
import __future__

import ast
import dis
import linecache
from functools import lru_cache
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_circuits.findings import Json

#: Fields of a syntax tree that say nothing, or nothing to a function that runs.
_SILENT = frozenset({"ctx", "kind", "type_comment", "type_params", "annotation", "returns"})
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_READS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD")
_BETWEEN = ("CACHE", "EXTENDED_ARG", "PUSH_NULL")
#: Names that pytest's assertion rewriting puts into code begin with it.
_REWRITTEN = "@"


class AmbiguousSourceError(Exception):
    """Several lambdas begin in one line, so that the source of one can't be told."""


def function_tree(code: CodeType, namespace: Mapping[str, Any]) -> Json:
    """The syntax tree of a function without its name, decorators, defaults and annotations.

    Comments, formatting and docstrings are not in it, and it is the same in every version of
    Python that can parse the code.

    Args:
        code: the function's code.
        namespace: its globals, which may know where the source is.

    Returns:
        the tree; None if there is no source, or only that of other code: the file may have been
        edited since it was imported.

    Raises:
        AmbiguousSourceError: if it can't be told from another one in the same line.
    """
    linecache.checkcache(code.co_filename)
    source = "".join(linecache.getlines(code.co_filename, dict(namespace)))
    try:
        module = ast.parse(source)
        compiled = _compiled(source, code.co_flags & __future__.annotations.compiler_flag)
    except (SyntaxError, ValueError):
        return None
    found = [node for node in ast.walk(module) if _is_of(node, code)]
    if len(found) > 1:
        raise AmbiguousSourceError
    # What pytest's assertion rewriting has changed can't be compiled again to compare it.
    rewritten = any(name.startswith(_REWRITTEN) for name in names_used(code))
    if not found or not (rewritten or any(each == code for each in _codes(compiled))):
        return None
    node = found[0]
    arguments: Any = node.args  # type: ignore[attr-defined]
    arguments.defaults, arguments.kw_defaults = [], []
    body: Any = node.body  # type: ignore[attr-defined]
    return [type(node).__name__, _plain(arguments), _plain(_without_docstring(node, body))]


def names_read(code: CodeType) -> list[tuple[str, ...]]:
    """The globals that code reads, functions within it included.

    Returns:
        each with the attributes that are read of it at once: ``("helpers", "scale")``; sorted.
    """
    return sorted({name for name in _chains(code) if not name[0].startswith(_REWRITTEN)})


def names_used(code: CodeType) -> frozenset[str]:
    """All names that code uses and that aren't its variables: globals, attributes, imports."""
    return frozenset(name for each in _codes(code) for name in each.co_names)


def imports(code: CodeType) -> list[str]:
    """The modules that code imports while it runs; a relative one is ``""`` or not absolute."""
    return [
        str(instruction.argval)
        for each in _codes(code)
        for instruction in dis.get_instructions(each)
        if instruction.opname == "IMPORT_NAME"
    ]


@lru_cache(maxsize=8)
def _compiled(source: str, flags: int) -> CodeType:
    # A cell of a notebook may await at its top level.
    flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: CodeType = compile(source, "<source>", "exec", flags=flags, dont_inherit=True)
    return code


def _chains(code: CodeType) -> Iterator[tuple[str, ...]]:
    for each in _codes(code):
        chain: tuple[str, ...] = ()
        for instruction in dis.get_instructions(each):
            if instruction.opname in _READS:
                if chain:
                    yield chain
                chain = (str(instruction.argval),)
            elif chain and instruction.opname in _ATTRIBUTES:
                chain = (*chain, str(instruction.argval))
            elif chain and instruction.opname not in _BETWEEN:
                yield chain
                chain = ()


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _is_of(node: ast.AST, code: CodeType) -> bool:
    """Whether code was made of a node: by line, name and arguments."""
    if isinstance(node, ast.Lambda):
        name, line = "<lambda>", node.lineno
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        name = node.name
        line = min([node.lineno, *(each.lineno for each in node.decorator_list)])
    else:
        return False
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    count = code.co_argcount + code.co_kwonlyargcount
    return (name, line, [each.arg for each in arguments]) == (
        code.co_name,
        code.co_firstlineno,
        list(code.co_varnames[:count]),
    )


def _plain(node: Any, *, annotated: bool = False) -> Json:  # noqa: ANN401 — a part of a syntax tree
    if isinstance(node, list):
        return [_plain(part, annotated=annotated) for part in node]
    if isinstance(node, ast.Constant):
        return ["Constant", type(node.value).__name__, repr(node.value)]
    if not isinstance(node, ast.AST):
        return str(node)
    name = type(node).__name__
    # In a class an annotation makes a field; in a function it does nothing.
    annotated = annotated or isinstance(node, ast.ClassDef)
    if isinstance(node, ast.AnnAssign) and not annotated and node.value is not None:
        return _plain(ast.Assign(targets=[node.target], value=node.value))
    parts: list[Json] = [name]
    inside = annotated and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    for field, held in ast.iter_fields(node):
        value = _without_docstring(node, held) if field == "body" else held
        # Empty fields differ from version to version.
        if (field in _SILENT and not (inside and field == "annotation")) or value in (None, []):
            continue
        parts.append([field, _plain(value, annotated=inside)])
    return parts


def _without_docstring(node: ast.AST, body: Any) -> Any:  # noqa: ANN401
    if isinstance(node, _DEFINITIONS) and ast.get_docstring(node, clean=False) is not None:
        return body[1:]
    return body
