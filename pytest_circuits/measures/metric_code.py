"""A digest of a metric of the caller's: the same for the same code, another for other code.

Such a metric is part of the convention behind a number. Its name doesn't say what it does, so its
code is hashed, with all of the caller's that the code reads: an edited metric would otherwise be
judged as a changed model.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib.util
import sys
import sysconfig
from enum import Enum
from functools import partial, reduce
from inspect import unwrap
from pathlib import Path
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pytest_circuits.findings import ChoiceError
from pytest_circuits.measures.source_trees import (
    AmbiguousSourceError,
    class_tree,
    function_tree,
    imports,
    names_read,
)
from pytest_circuits.prompts.tokens import digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_circuits.findings import Json

_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis))
_COLLECTIONS = (list, tuple, set, frozenset, dict, torch.Size)
_OURS = __name__.partition(".")[0]
_INSTALLED = ("site-packages", "dist-packages")
_STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib")).resolve()


def code_digest(metric: object, name: str) -> str:
    """A digest of a metric's code, and of what the code reads.

    Code is hashed as its syntax tree, so that comments, formatting, docstrings and annotations
    change nothing, nor does the version of Python; as bytecode, which every version writes its own
    way, where there is no source. Hashed by content are defaults, closures and the globals that
    the code reads: numbers, texts, collections, arrays, tensors, and the caller's functions,
    classes and objects, with what they read in turn. What is a library's is hashed by its name.

    Args:
        metric: a function, a bound method, a ``functools.partial``, or an object that is called.
        name: what it is called in messages.

    Raises:
        ChoiceError: if it rests on something whose content can't be told; the message names it.
    """
    return digest(_Reader(metric, name).content(metric, name))


class _Reader:
    """Describes what a metric is made of: each function, class and object once.

    Args:
        metric: the metric.
        name: what it is called.
    """

    def __init__(self, metric: Any, name: str) -> None:  # noqa: ANN401
        self._metric = name
        # The metric's own package is the caller's also where it is installed.
        self._home = _module(unwrap(getattr(metric, "func", metric))).partition(".")[0]
        # With the objects themselves, lest another one gets the id of one that is gone.
        self._known: dict[int, tuple[int, object]] = {}
        self._open: list[object] = []

    def content(self, value: Any, where: str, *, made: bool = False) -> Json:  # noqa: ANN401, PLR0911 — a kind a line
        """A value by its content, equal for values that code can't tell apart.

        Args:
            value: the value.
            where: the variable that holds it, for messages.
            made: whether a library made it for itself, such as what its decorators hold; then an
                object of unknown content is described by its type.
        """
        if type(value) in _PLAIN:
            return [type(value).__name__, repr(value)]
        if isinstance(value, range | slice | torch.dtype | torch.device):
            return [type(value).__name__, str(value)]
        if isinstance(value, np.ndarray | np.generic | torch.Tensor):
            return self._numbers(value, where)
        if type(value) in _COLLECTIONS or (isinstance(value, tuple) and hasattr(value, "_fields")):
            return self._collection(value, where, made=made)
        if isinstance(value, partial | MethodType):
            parts = (
                [value.func, value.args, value.keywords]
                if isinstance(value, partial)
                else [value.__func__, value.__self__]
            )
            kind: type = type(value)
            return [kind.__name__, [self.content(one, where, made=made) for one in parts]]
        if (name := self._name_in_library(value)) is not None:
            return ["library", name]
        if id(value) in self._known:
            return ["again", self._known[id(value)][0]]
        self._known[id(value)] = (len(self._known), value)
        return self._whole(value, where, made=made)

    def _whole(self, value: Any, where: str, *, made: bool) -> Json:  # noqa: ANN401
        """A function, a class or an object, which may hold others, and itself in turn."""
        if isinstance(value, FunctionType):
            return self._function(value, where)
        if isinstance(value, type):
            return self._class(value, where)
        if isinstance(value, Enum):
            return ["member", self.content(type(value), where), value.name]
        return self._object(value, where, made=made)

    def _untold(self, what: object, where: str) -> ChoiceError:
        kind = f"a {type(what).__name__}"
        if isinstance(what, ModuleType):
            kind = "a module: name what is read of it"
        return ChoiceError(
            f"metric {self._metric}: what {where} holds can't be told ({kind}), and a change of it "
            f"would pass for a change of the model. Give the metric numbers, texts, lists, "
            f"dictionaries, arrays, tensors or functions instead"
        )

    def _numbers(self, value: Any, where: str) -> Json:  # noqa: ANN401
        kind, shape = str(value.dtype), list(value.shape)
        if isinstance(value, torch.Tensor):
            if value.layout is not torch.strided or value.is_quantized:
                raise self._untold(value, where)
            # Any dtype, also those that numpy doesn't have.
            value = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        elif value.dtype.hasobject:
            raise self._untold(value, where)
        return ["numbers", kind, shape, hashlib.sha256(value.tobytes()).hexdigest()]

    def _collection(self, value: Any, where: str, *, made: bool) -> Json:  # noqa: ANN401
        if any(value is holder for holder in self._open):  # it holds itself
            raise self._untold(value, where)
        self._open.append(value)
        items = [[key, one] for key, one in value.items()] if isinstance(value, dict) else [*value]
        found = [self.content(item, where, made=made) for item in items]
        self._open.pop()
        if isinstance(value, set | frozenset):
            found.sort(key=digest)
        return [type(value).__name__, found]

    def _function(self, value: FunctionType, where: str) -> Json:
        closure = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
        library = not self._is_own(_module(value))
        held: dict[str, Json] = {
            name: self._cell(cell, name, made=library) for name, cell in sorted(closure)
        }
        if library:  # what a library's decorator made of a function of the caller's
            return ["library", f"{_module(value)}.{value.__code__.co_qualname}", held]
        attributes = {k: v for k, v in sorted(vars(value).items()) if k != "__wrapped__"}
        defaults = [value.__defaults__, value.__kwdefaults__]
        return [
            "function",
            self._code(value, where),
            self.content(defaults, f"a default of {where}"),
            held,
            {name: self.content(one, f"{where}.{name}") for name, one in attributes.items()},
            self._globals(value.__code__, value.__globals__, where),
        ]

    def _cell(self, cell: Any, name: str, *, made: bool) -> Json:  # noqa: ANN401
        try:
            value = cell.cell_contents
        except ValueError:  # nothing has been assigned yet
            return None
        return self.content(value, name, made=made)

    def _code(self, function: FunctionType, where: str) -> Json:
        try:
            tree = function_tree(function.__code__, function.__globals__)
        except AmbiguousSourceError:
            raise ChoiceError(
                f"metric {self._metric}: {where} is one of several lambdas in a line, which can't "
                f"be told apart: write it as a function (def)"
            ) from None
        return tree or self._bytecode(function.__code__, where, function.__doc__)

    def _bytecode(self, code: CodeType, where: str, docstring: str | None = None) -> Json:
        constants = [
            self._bytecode(one, where) if isinstance(one, CodeType) else self.content(one, where)
            for one in code.co_consts
            if docstring is None or one != docstring
        ]
        names = [code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars]
        return ["bytecode", code.co_code.hex(), constants, [list(each) for each in names]]

    def _globals(self, code: CodeType, namespace: Mapping[str, Any], where: str) -> Json:
        for module in imports(code):
            top = module.partition(".")[0]
            if not module or self._is_own(top):
                raise ChoiceError(
                    f"metric {self._metric}: {where} imports {module or 'a module beside it'} "
                    f"while it runs: import that at the top of the module, so that its code can be "
                    f"told"
                )
        found: dict[str, Json] = {}
        for name, *attributes in names_read(code):
            if name not in namespace:  # a builtin, whose name the code has
                continue
            value, path = namespace[name], name
            for attribute in attributes:
                if not isinstance(value, ModuleType) or self._name_in_library(value) is not None:
                    break
                path = f"{path}.{attribute}"
                value = getattr(value, attribute, None)
            found[path] = self.content(value, path)
        return found

    def _class(self, value: type, where: str) -> Json:
        read = class_tree(value)
        if read is None:
            raise self._untold(value, where)
        tree, names = read
        namespace = vars(sys.modules.get(value.__module__, builtins))
        methods = [getattr(one, "__func__", one) for _, one in sorted(vars(value).items())]
        return [
            "class",
            tree,
            [self.content(base, f"{where}'s base") for base in value.__bases__],
            {
                name: self.content(namespace[name], name)
                for name in sorted(names)
                if name in namespace and not hasattr(builtins, name)
            },
            # What methods read in turn is known by now; their closures are not.
            [
                self.content(method, f"{where}.{method.__name__}")
                for method in methods
                if isinstance(method, FunctionType) and method.__closure__
            ],
        ]

    def _object(self, value: Any, where: str, *, made: bool) -> Json:  # noqa: ANN401
        kind = type(value)
        if hasattr(value, "__wrapped__") and not self._is_own(kind.__module__):
            return [
                "of",
                f"{kind.__module__}.{kind.__name__}",
                self.content(value.__wrapped__, where),
            ]
        owner = getattr(value, "__self__", None)
        if isinstance(value, BuiltinFunctionType) and owner is not None:
            return ["method", value.__name__, self.content(owner, where, made=made)]
        bases = kind.__mro__[:-1]
        if all(self._is_own(base.__module__) and "__slots__" not in vars(base) for base in bases):
            held = {k: self.content(v, f"{where}.{k}") for k, v in sorted(vars(value).items())}
            return ["object", self.content(kind, where), held]
        if made:
            return ["of", f"{kind.__module__}.{kind.__name__}"]
        raise self._untold(value, where)

    def _name_in_library(self, value: Any) -> str | None:  # noqa: ANN401, PLR0911 — a kind a line
        """The name by which a library gives a value; None if none does."""
        if isinstance(value, ModuleType):
            return None if self._is_own(value.__name__) else value.__name__
        name = getattr(value, "__qualname__", getattr(value, "__name__", None))
        if not isinstance(name, str):
            return None
        owner = getattr(value, "__self__", None)
        if isinstance(value, BuiltinFunctionType) and isinstance(owner, type | ModuleType | None):
            return f"{getattr(owner, '__module__', None) or getattr(owner, '__name__', '')}.{name}"
        if isinstance(value, MethodDescriptorType):
            return f"{value.__objclass__.__module__}.{name}"
        module = _module(value)
        if self._is_own(module):
            return None
        try:
            found = reduce(getattr, name.split("."), sys.modules[module])
        except (AttributeError, KeyError):
            return None
        return f"{module}.{name}" if found is value else None

    def _is_own(self, module: str) -> bool:
        """Whether a module is the caller's, and no library's."""
        top = module.partition(".")[0]
        if top in ("__main__", self._home):
            return True
        if top == _OURS or top in sys.builtin_module_names:
            return False
        file = _file(module) or _file(top)
        if file is None:
            return top not in sys.stdlib_module_names
        path = Path(file).resolve()
        installed = not set(_INSTALLED).isdisjoint(path.parts)
        return not installed and not path.is_relative_to(_STANDARD_LIBRARY)


def _module(value: Any) -> str:  # noqa: ANN401
    """The name of the module that a value's code is in.

    A function's ``__module__`` is that of another one where a decorator has copied it.
    """
    if isinstance(value, FunctionType):
        return str(value.__globals__.get("__name__"))
    return str(getattr(value, "__module__", None) or type(value).__module__)


def _file(module: str) -> str | None:
    known = sys.modules.get(module)
    if known is not None:
        return getattr(known, "__file__", None)
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    return None if spec is None else spec.origin
