"""A digest of a metric of the caller's: the same for the same code, another for other code.

Such a metric is part of the convention behind a number. Its name doesn't say what it does, so its
code is hashed, with all of the caller's that the code reads: an edited metric would otherwise be
judged as a changed model.
"""

from __future__ import annotations

import builtins
import dataclasses
import functools
import hashlib
import importlib.util
import sys
import sysconfig
from collections import namedtuple
from enum import Enum, property as enum_property
from functools import partial, reduce
from inspect import unwrap
from pathlib import Path
from types import (
    BuiltinFunctionType,
    CodeType,
    DynamicClassAttribute,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from pytest_circuits.findings import ChoiceError
from pytest_circuits.measures.source_trees import (
    AmbiguousSourceError,
    function_tree,
    imports,
    names_read,
    names_used,
)
from pytest_circuits.prompts.tokens import digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_circuits.findings import Json

_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), type(NotImplemented))
_COLLECTIONS = (list, tuple, set, frozenset, dict, torch.Size)
_OURS = __name__.partition(".")[0]
_INSTALLED = ("site-packages", "dist-packages")
_STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib")).resolve()

#: What the import machinery gives a module: where it lies, and nothing that a number rests on.
_OF_MODULES = frozenset(
    str.split("__name__ __file__ __doc__ __spec__ __loader__ __package__ __cached__ __path__")
)
#: What reaches any code by its name, so that what is read can't be told.
_BY_NAME = (
    *(globals, eval, exec, compile, __import__, importlib.import_module, importlib.reload),
    *(sys, builtins, importlib, sys.modules),
)
_ATTRIBUTES_BY_NAME = frozenset(
    str.split(
        "import_module __import__ __globals__ __builtins__ f_globals f_builtins __subclasses__"
    )
)
_IMPORTS_BY_NAME = ("sys", "builtins", "importlib")
#: What Python writes into a class and what says nothing, or what other parts of it say as well.
_OF_CLASSES = frozenset(
    str.split(
        "__module__ __dict__ __weakref__ __doc__ __qualname__ __firstlineno__ "
        "__static_attributes__ __annotations__ __annotations_cache__ __annotate__ "
        "__annotate_func__ __orig_bases__ __parameters__ __type_params__ __classdictcell__ "
        "_abc_impl __dataclass_params__ __dataclass_fields__"
    )
)
#: What an enumeration has of its author's, among what is called ``_like_this_``.
_OF_ENUMS = ("_missing_", "_boundary_")
_OF_MEMBERS = ("_value_", "_name_", "__objclass__", "_sort_order_")
_OF_FIELDS = ("name", "init", "repr", "hash", "compare", "kw_only")
_OF_DATACLASSES = ("init", "repr", "eq", "order", "unsafe_hash", "frozen")
#: What a class wraps its methods in, and what each of those holds.
_DESCRIPTORS = (
    ((classmethod,), "__func__"),
    ((property, DynamicClassAttribute, enum_property), "fget fset fdel"),
    ((functools.cached_property,), "func attrname"),
    ((functools.partialmethod,), "func args keywords"),
)
_FIELD_OF_TUPLE: type = type(namedtuple("_One", "field").field)  # type: ignore[attr-defined]  # noqa: PYI024


def code_digest(metric: object, name: str) -> str:
    """A digest of a metric's code, and of what the code reads.

    Code is hashed as its syntax tree, so that comments, formatting, docstrings and annotations
    change nothing, nor does the version of Python; as bytecode, which every version writes its own
    way, where there is no source or it has been edited since. Hashed by content are defaults,
    closures and the globals that the code reads: numbers, texts, collections, arrays, tensors, and
    the caller's functions, classes (by what they hold at this time) and objects, with what they
    read in turn. What is a library's is hashed by its name.

    Args:
        metric: a function, a bound method, a ``functools.partial``, or an object that is called.
        name: what it is called in messages.

    Raises:
        ChoiceError: if it rests on something whose content can't be told, or reaches code by name
            as ``eval`` does; the message names it.
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
        self._check_reach(value, where)
        if type(value) in _PLAIN:
            return [type(value).__name__, repr(value)]
        if isinstance(value, range | slice | torch.dtype | torch.device):
            return [type(value).__name__, str(value)]
        if isinstance(value, np.ndarray | np.generic | torch.Tensor):
            return self._numbers(value, where)
        if type(value) in _COLLECTIONS or (isinstance(value, tuple) and hasattr(value, "_fields")):
            found = self._collection(value, where, made=made)
            # One with named fields has a class, which may have methods.
            return (
                found if type(value) in _COLLECTIONS else [self.content(type(value), where), found]
            )
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
            return ["member", self.content(type(value), where), value.name or repr(value.value)]
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

    def _check_reach(self, value: object, where: str) -> None:
        for one in _BY_NAME:
            if value is one:
                name = "sys.modules" if one is sys.modules else getattr(one, "__name__", "")
                raise self._unreachable(where, f"reads {name}")

    def _unreachable(self, where: str, what: str) -> ChoiceError:
        return ChoiceError(
            f"metric {self._metric}: {where} {what}, which reaches code by its name, so that the "
            f"code can't be told: name the functions and values that it reads instead"
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
        attributes = dict(sorted(vars(value).items()))
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
        counts = [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags]
        steps: list[Json] = [code.co_code.hex(), code.co_exceptiontable.hex()]
        return ["bytecode", steps, constants, [list(each) for each in names], list(counts)]

    def _globals(self, code: CodeType, namespace: Mapping[str, Any], where: str) -> Json:
        for module in imports(code):
            top = module.partition(".")[0]
            if not module or top in _IMPORTS_BY_NAME or self._is_own(top):
                raise ChoiceError(
                    f"metric {self._metric}: {where} imports {module or 'a module beside it'} "
                    f"while it runs: import that at the top of the module, so that its code can be "
                    f"told"
                )
        for name in sorted(names_used(code) & _ATTRIBUTES_BY_NAME):
            raise self._unreachable(where, f"reads {name}")
        found: dict[str, Json] = {}
        for name, *attributes in names_read(code):
            if name in _OF_MODULES or not (name in namespace or hasattr(builtins, name)):
                continue
            value = namespace[name] if name in namespace else getattr(builtins, name)
            read, path = value, name
            for attribute in attributes:
                if not isinstance(read, ModuleType):
                    break
                path = f"{path}.{attribute}"
                read = None if attribute in _OF_MODULES else getattr(read, attribute, None)
                if self._name_in_library(value) is None:
                    value = read
            # Of a library it's enough that the code names what it reads, unless that has any reach.
            self._check_reach(read, where)
            found[path] = self.content(value, path)
        return found

    def _class(self, value: type, where: str) -> Json:
        held = {name: one for name, one in vars(value).items() if name not in _OF_CLASSES}
        if Protocol in value.__mro__ and "__init__" in held:
            # The first object of a protocol's class gives it the __init__ that it inherits.
            inits = [vars(base).get("__init__") for base in value.__mro__[1:]]
            given = [one for one in inits if one and getattr(one, "__module__", "") != "typing"]
            if held["__init__"] is given[0]:
                del held["__init__"]
        more: list[Json] = []
        if issubclass(value, Enum):
            members = value.__members__
            # Python's own tables of the members differ from version to version.
            held = {
                name: one
                for name, one in held.items()
                if name not in members
                and (name in _OF_ENUMS or name[:2] == "__" or not name[0] == name[-1] == "_")
            }
            for name, member in members.items():
                kept = {k: v for k, v in sorted(vars(member).items()) if k not in _OF_MEMBERS}
                more.append([name, self.content([member.value, kept], f"{where}.{name}")])
        if "__dataclass_params__" in vars(value):
            chosen = vars(value)["__dataclass_params__"]
            more.append([bool(getattr(chosen, name)) for name in _OF_DATACLASSES])
            more += [self._field(field, where) for field in value.__dataclass_fields__.values()]  # type: ignore[attr-defined]
        return [
            "class",
            value.__name__,
            self.content(type(value), f"{where}'s metaclass"),
            [self.content(base, f"{where}'s base") for base in value.__bases__],
            {name: self._attribute(value, name, f"{where}.{name}") for name in sorted(held)},
            more,
        ]

    def _field(self, field: dataclasses.Field[Any], where: str) -> Json:
        defaults = [
            None if one is dataclasses.MISSING else self.content(one, f"{where}.{field.name}")
            for one in (field.default, field.default_factory)
        ]
        said = [getattr(field, name) for name in _OF_FIELDS]
        held = [*said, str(field._field_type), dict(field.metadata)]  # type: ignore[attr-defined]  # noqa: SLF001
        return [defaults, self.content(held, f"{where}.{field.name}")]

    def _attribute(self, owner: type, name: str, where: str) -> Json:
        """What a class holds under a name: a method, a property, a slot or a value."""
        value = vars(owner)[name]
        for kinds, parts in _DESCRIPTORS:
            if type(value) in kinds:
                held = [getattr(value, part) for part in parts.split()]
                return [type(value).__name__, [self.content(one, where) for one in held]]
        if isinstance(value, MemberDescriptorType | GetSetDescriptorType):
            return ["slot", value.__name__]
        if type(value) is _FIELD_OF_TUPLE:
            return ["field", value.__reduce__()[1][0]]
        function = value.__func__ if isinstance(value, staticmethod) else value
        if isinstance(function, FunctionType) and _is_generated(function, owner, name):
            return ["generated", self.content(function.__defaults__, where, made=True)]
        if isinstance(value, staticmethod):
            return ["staticmethod", self.content(function, where)]
        return self.content(value, where)

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


def _is_generated(function: FunctionType, owner: type, name: str) -> bool:
    """Whether Python made a method of a class's fields, which then say what it does."""
    if hasattr(function, "__wrapped__") and _module(function) in ("dataclasses", "reprlib"):
        function = function.__wrapped__
    if function.__qualname__ not in (name, f"{owner.__qualname__}.{name}"):
        return False
    if "__dataclass_fields__" in vars(owner):
        return function.__code__.co_qualname == f"__create_fn__.<locals>.{name}"
    return _module(function) == f"namedtuple_{owner.__name__}" and "_fields" in vars(owner)


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
