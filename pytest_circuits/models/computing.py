"""Everything that computes in torch and the libraries around it, and what of it isn't their own.

A function is the library's own if its code lies in the library's files, and so does all that it
wraps; torch's own functions are also known by their names, so that one of them in another's place
is noticed.
"""

from __future__ import annotations

import math
import re
import sys
import sysconfig
import types
from functools import lru_cache, partial
from itertools import chain
from operator import attrgetter, is_
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pytest_circuits.models.hygiene import Contents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Libraries whose functions and classes a module that computes may contain.
_LIBRARIES = frozenset(
    (
        *("torch", "torchgen", "functorch", "transformers", "transformer_lens", "numpy"),
        *("accelerate", "bitsandbytes", "gguf", "kernels", "peft", "torchao", "tokenizers"),
        *("beartype", "jaxtyping", "typeguard", "typing_extensions", "better_abc"),
        *("einops", "fancy_einsum", "huggingface_hub", "lazy_loader", "safetensors", "sympy"),
    )
)
#: The standard library, without unittest: a mock may replace a function.
_PYTHON = sys.stdlib_module_names - {"unittest"}
#: Modules that compute, of those that may be loaded.
_COMPUTING = re.compile(
    r"math|numpy(\.linalg)?"
    r"|torch(\.functional|\.special|\.linalg|\.fft|\._C\._nn|\._tensor|\.amp\..*)?"
    r"|torch\.nn(\.functional|\.parameter|\.attention.*|\.modules.*)?"
    r"|transformers\.(activations|.*attn_mask_utils|cache_utils|masking_utils|pytorch_utils)"
    r"|transformers\.(modeling_(utils|rope_utils|layers|.*attention.*)|tokenization_.*)"
    r"|transformers\.integrations\.(?!gguf).*"
    r"|transformers\.models\.(?!auto\.).*\.(modeling|tokenization)_.*"
    r"|transformer_lens\.(hook_points|ActivationCache|FactoredMatrix|cache\..*|components\..*)"
    r"|transformer_lens\.(factored_matrix|utilities\..*|conversion_utils\..*)"
    r"|transformer_lens\.model_bridge(?!\.supported_architectures).*"
)
#: Modules whose functions are called as they call themselves.
_NAMED = re.compile(
    r"torch(\.functional|\.special|\.linalg|\.fft|\._C\._nn|\.nn(\.functional|\.modules(\.\w+)?)?)?|math"
)
#: What numbers go through: here methods are known by their names too.
_PARTS = (torch.nn.Module, torch.Tensor)
#: A type that was made while Python ran (Py_TPFLAGS_HEAPTYPE).
_CHANGEABLE = 1 << 9
#: What modules of a library call others by.
_MODULES = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "np": np, "math": math}
_BY_OWN_NAME = {module.__name__: module for module in _MODULES.values()}
#: Where the code lies that switches autocast on around a function.
_AUTOCAST = torch.autocast.__call__.__code__.co_filename
#: What torch has under another name than its own.
_ALIASES = {
    ("pow", "ipow"),
    ("rdiv", "rtruediv"),
    ("idiv", "itruediv"),
    ("positive", "pos"),
    ("wrappedcallimpl", "call"),
    ("forwardunimplemented", "forward"),
}
_PREFIXES = ("special", "linalg", "fft")
_BUILTIN = (
    type,
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.GetSetDescriptorType,
)
#: The value of a name that does not exist.
NOTHING = object()
_code_of, _defaults_of = attrgetter("__code__"), attrgetter("__defaults__")


class Names:
    """The names of a module, a class or a table that computes, as they were looked at last.

    Attributes:
        owner: the module, class or table.
        label: what it is called in words.
        values: a view of its current values.
        held: the values by name, when they were last compared.
        at_first: the same when they were first looked at.
        was_strange: whether the library did not define all of them then.
        functions: those that are defined there.
        strange: messages that name each value which the library did not define.
    """

    def __init__(self, owner: Any, label: str, names: Any) -> None:  # noqa: ANN401 — a module, a class or a table
        self.owner, self.label = owner, label
        # A table may make what it gives, and load modules for it: only what it holds counts.
        is_table = isinstance(names, dict)
        self.values: Any = dict.values(names) if is_table else names.values()
        self._items: Any = dict.items(names) if is_table else names.items()
        self.held: dict[str, object] = {}
        self.functions: list[types.FunctionType] = []
        self.strange: list[str] = []
        self._codes: list[object] = []
        self.look()
        self.at_first, self.was_strange = self.held, bool(self.strange)

    def look(self) -> bool:
        """Look again; gives whether anything is there now that was not before, but constants."""
        is_written = all(map(is_, map(_code_of, self.functions), self._codes))
        if (
            is_written
            and len(self.values) == len(self.held)
            and all(map(is_, self.values, self.held.values()))
        ):
            return False
        before, self.held = self.held, dict(self._items)
        if is_written and all(map(_is_constant, _differing(before, self.held))):
            return False  # a library counts something
        self.functions = [
            each
            for each in map(_plain, self.held.values())
            if isinstance(each, types.FunctionType) and self._defines(each)
        ]
        self.strange = [
            f"{self.label}.{name} was replaced"
            for name, value in self.held.items()
            if self.is_strange(name, value)
        ]
        self._codes = list(map(_code_of, self.functions))
        return True

    def is_another(self, name: str, before: Mapping[str, object]) -> bool:
        """Whether a function was replaced by one that the library did not define for its name."""
        now, then = self.held.get(name, NOTHING), before.get(name, NOTHING)
        if now is then:
            return False
        if self.is_strange(name, now):
            return True
        # A library that is imported late brings names of its own, and torch replaces some of its
        # own by others of the same name when it compiles.
        return _computes(then) and not (self._is_torchs and _computes(now) and _is_plain(now))

    @property
    def _is_torchs(self) -> bool:
        """Whether torch itself may replace these functions."""
        is_tensor = isinstance(self.owner, type) and issubclass(self.owner, torch.Tensor)
        return self.label.startswith("torch") and not is_tensor

    def put(self, name: str, value: object) -> None:
        """Set a name to a value, or delete it if the value is :data:`NOTHING`."""
        if isinstance(self.owner, dict):
            dict.pop(self.owner, name, None)
            self.owner.update({} if value is NOTHING else {name: value})
        elif value is NOTHING:
            delattr(self.owner, name)
        else:
            setattr(self.owner, name, value)

    def _defines(self, function: types.FunctionType) -> bool:
        """Whether a function is not only imported here, and looked at where it is defined."""
        return not isinstance(self.owner, types.ModuleType) or function.__module__ == self.label

    def is_strange(self, name: str, value: object) -> bool:
        """Whether a value is a function, class or module that the library has not put there."""
        value = _plain(value)
        if name in _MODULES and isinstance(self.owner, types.ModuleType):
            return value is not _MODULES[name]
        if isinstance(value, types.ModuleType):
            return value is not _BY_OWN_NAME.get(value.__name__, value)
        if not _computes(value):
            return False
        if not _is_librarys(value, name) and not self._imports(value):
            return True
        # The library has none of either in place of torch's own functions.
        if self.label.startswith("torch") and "amp" not in self.label and not _is_plain(value):
            return True
        return self._has_another_name(name, value)

    def _imports(self, value: Any) -> bool:  # noqa: ANN401
        """Whether a module's own text imports from where a value comes from (a progress bar)."""
        if not isinstance(self.owner, types.ModuleType):
            return False
        of = value if isinstance(value, type) else type(value)
        # What a function says of itself may be another's, by functools.wraps.
        is_function = isinstance(value, types.FunctionType)
        root = _root(value.__globals__.get("__name__") if is_function else of.__module__)
        if root in _LIBRARIES or root in sys.stdlib_module_names:
            return False
        pattern = rf"\b(from|import)\s+{re.escape(root)}\b"
        return re.search(pattern, _text(self.owner)) is not None

    def _has_another_name(self, name: str, value: Any) -> bool:  # noqa: ANN401 — any value
        """Whether the library defines a function under another name than this one."""
        if isinstance(self.owner, types.ModuleType):
            named = _NAMED.fullmatch(self.label) and not name.startswith("_")
            if not named or (isinstance(value, type) and not issubclass(value, torch.nn.Module)):
                return False
            if isinstance(value, types.BuiltinFunctionType | np.ufunc):
                # One of Python or numpy may have the same name.
                module = _root(value.__module__ if hasattr(value, "__module__") else "numpy")
                if module != _root(self.label) and module != "builtins":
                    return True
            return not _same(getattr(value, "__name__", name), name)
        is_part = isinstance(self.owner, type) and issubclass(self.owner, _PARTS)
        return is_part and not isinstance(value, type) and not self._is_method(name, value)

    def _is_method(self, name: str, value: Any) -> bool:  # noqa: ANN401
        """Whether a function is the method of that name of this class, or of one above it."""
        place, _, plain = getattr(value, "__qualname__", name).rpartition(".")
        if "<locals>" in place or name in ("__torch_dispatch__", "__torch_function__"):
            return True
        if name.startswith("__") and name.endswith("__"):
            return _same(plain, name) or not issubclass(self.owner, torch.Tensor)
        if not place:  # a module defines it, and the class uses it as a method
            return name != "forward" or plain in ("forward", "_forward_unimplemented")
        return place in {each.__qualname__ for each in self.owner.__mro__} and _same(plain, name)


def _differing(before: Mapping[str, object], now: Mapping[str, object]) -> Iterator[object]:
    """Yield the values that a name has in one mapping and not in the other."""
    for one, other in ((before, now), (now, before)):
        yield from (value for name, value in one.items() if other.get(name, NOTHING) is not value)


def _is_constant(value: object) -> bool:
    return type(value) in (bool, float, int, str)


def _same(own: str, name: str) -> bool:
    """Whether a function is called so, but for underscores and what torch calls it otherwise."""
    own, name = own.replace("_", ""), name.replace("_", "")
    return own == name or (own, name) in _ALIASES or any(own == f"{p}{name}" for p in _PREFIXES)


class Library:
    """Everything that computes, in the modules that are loaded.

    Attributes:
        names: the names of each module, class and table.
        looks: how often something had changed when it was looked at.
        is_looked_at: whether it was looked at just now.
        strange: the messages of all names.
    """

    def __init__(self) -> None:
        self.looks = 0
        self.is_looked_at = False
        self.strange: tuple[str, ...] = ()
        self.names: list[Names] = []
        self._modules: list[object] = []
        self._known: dict[str, object] = {}
        self._seen: set[int] = set()
        self._contents = Contents()
        #: Functions are looked at by their code and defaults too, which can be replaced in place.
        self._functions: list[types.FunctionType] = []
        self._codes: list[object] = []
        self._defaults: list[object] = []

    def look(self) -> None:
        """Look at all of it again, and at what was imported meanwhile."""
        if self.is_looked_at:
            return
        modules: list[object] = list(sys.modules.values())
        is_written = self._is_written()
        is_as_it_was = is_written and self._contents.are_the_same()
        if is_as_it_was and modules == self._modules:
            return
        known, is_another = len(self.names), not is_written
        for names in () if is_as_it_was else list(self.names):
            if names.look():
                is_another = True
                self._add_parts(names)
        for name, module in list(sys.modules.items()):
            if self._known.get(name) is not module:
                self._known[name] = module
                if isinstance(module, types.ModuleType) and _COMPUTING.fullmatch(name):
                    self._add(module, name, vars(module))
        self._modules = modules
        if is_as_it_was and len(self.names) == known:
            return
        self._contents = Contents(names.values for names in self.names)
        self._functions = list(chain.from_iterable(names.functions for names in self.names))
        self._codes = list(map(_code_of, self._functions))
        self._defaults = list(map(_defaults_of, self._functions))
        self.strange = tuple(chain.from_iterable(names.strange for names in self.names))
        self.looks += is_another or len(self.names) > known

    def _is_written(self) -> bool:
        """Whether every function has the code and the defaults that it had before."""
        return all(map(is_, map(_code_of, self._functions), self._codes)) and all(
            map(is_, map(_defaults_of, self._functions), self._defaults)
        )

    def bodies(self) -> tuple[list[Any], list[Any], list[Any]]:
        """Every function, their code and their defaults."""
        return self._functions, self._codes, self._defaults

    def _add(self, owner: Any, label: str, names: Mapping[str, object]) -> None:  # noqa: ANN401 — a module, a class or a table
        if id(owner) in self._seen:
            return
        self._seen.add(id(owner))
        added = Names(owner, label, names)
        self.names.append(added)
        self._add_parts(added)

    def _add_parts(self, names: Names) -> None:
        """Add the classes that a module defines, and tables of functions."""
        if isinstance(names.owner, dict):
            return
        module = names.label if isinstance(names.owner, types.ModuleType) else None
        for key, value in list(names.held.items()):
            label = f"{names.label}.{key}"
            if isinstance(value, type):
                # Nothing can be put into a type of C's own.
                if value.__module__ == module and value.__flags__ & _CHANGEABLE:
                    self._add(value, label, vars(value))
            elif isinstance(value, dict):
                self._add_table(value, label)
            elif module and _root(type(value).__module__) in ("transformers", "transformer_lens"):
                for part in getattr(value, "__dict__", {}).values():
                    if isinstance(part, dict):
                        self._add_table(part, label)

    def _add_table(self, table: dict[Any, Any], label: str) -> None:
        """Add a table if it is one of functions or classes by name; an empty one may become one."""
        # Hooks on all modules are kept in tables, too.
        if "._global_" in label:
            return
        if all(isinstance(key, str) and _computes(value) for key, value in list(dict.items(table))):
            self._add(table, label, table)


@lru_cache(maxsize=1)
def library() -> Library:
    """All that computes in this process."""
    return Library()


def _root(name: object) -> str:
    return str(name).partition(".")[0]


def _plain(value: Any) -> Any:  # noqa: ANN401 — any value
    """A method's function, a property's getter; anything else as it is."""
    if isinstance(value, staticmethod | classmethod):
        return value.__func__
    if isinstance(value, tuple) and value:  # a class with its arguments, in tables of transformers
        return value[0]
    return value.fget if isinstance(value, property) else value


def _is_plain(value: Any) -> bool:  # noqa: ANN401
    """Whether a function is neither another one with other arguments, nor one under autocast."""
    code = getattr(value, "__code__", None)
    return not isinstance(value, partial) and getattr(code, "co_filename", None) != _AUTOCAST


def _computes(value: Any) -> bool:  # noqa: ANN401
    """Whether a value is a function, a class, or an object that can be called like one."""
    return callable(_plain(value))


def _is_librarys(value: Any, name: str) -> bool:  # noqa: ANN401
    """Whether the code of a function, class or callable object is a library's, all it wraps too."""
    if isinstance(value, partial | types.MethodType):
        return _is_librarys(value.func if isinstance(value, partial) else value.__func__, name)
    if isinstance(value, _BUILTIN):
        return _is_of_library(getattr(value, "__module__", None))
    wrapped = getattr(value, "__wrapped__", None)
    within = [wrapped, *map(_content, getattr(value, "__closure__", None) or ())]
    return (
        _is_file_of_library(value.__code__.co_filename, name)
        if isinstance(value, types.FunctionType)
        else _is_of_library(type(value).__module__)
    ) and all(
        _is_librarys(each, name)
        for each in within
        if isinstance(each, types.FunctionType) and each is not value
    )


@lru_cache(maxsize=64)
def _text(module: types.ModuleType) -> str:
    try:
        return Path(module.__file__ or "").read_text(encoding="utf-8")
    except (OSError, ValueError, AttributeError):  # of a compiled one there is none
        return ""


def _content(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty
        return None


def _is_of_library(module: object) -> bool:
    """Whether a module's name is one of the libraries' or of Python itself; none counts as such."""
    root = _root(module)
    return module is None or root in _LIBRARIES or root in _PYTHON


@lru_cache(maxsize=1 << 14)
def _is_file_of_library(file: str, name: str) -> bool:
    """Whether code in a file is one of the libraries' or Python's own, for a function's name."""
    if file.startswith("<"):
        # Python's own modules; and what it gives to data classes and named tuples.
        return file.startswith("<frozen ") or (file == "<string>" and name.startswith("__"))
    path = Path(file)
    for folder in path.parents:
        if folder.name in ("site-packages", "dist-packages"):
            return _root(path.relative_to(folder).parts[0]) in _LIBRARIES
    if any(path.is_relative_to(folder) for folder in _stdlib()):
        return True
    # A library that lies elsewhere, as one that is installed editable does.
    return any(path.is_relative_to(folder) for folder in _elsewhere())


@lru_cache(maxsize=1)
def _stdlib() -> tuple[Path, ...]:
    return tuple({Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")})


@lru_cache(maxsize=1)
def _elsewhere() -> tuple[Path, ...]:
    """The folders of those libraries that are loaded."""
    files = [getattr(sys.modules.get(name), "__file__", None) for name in _LIBRARIES]
    return tuple(Path(file).parent for file in files if file and Path(file).stem == "__init__")
