"""The code outside the libraries that a test's numbers may depend on, as it is loaded.

Libraries are told by their versions (:mod:`pytest_circuits.session.cache_keys`), and so is Python's
own library; this package by a hash of its code. All other modules count by what their files hold:
those of the test, of the plugins and of the conftest files, and whatever these import. The source
says what a module imports; only what is in fact loaded counts, since other code has not run.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import os
import re
import sys
import sysconfig
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pytest_circuits.session.cache_keys import (
    UncertainError,
    hash_of,
    is_installed,
    package_folders,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pytest

_PACKAGE = f"{Path(__file__).resolve().parents[1]}{os.sep}"
#: Where Python's own library is, and the programs that libraries install, such as pytest's.
_OF_PYTHON = tuple(
    f"{Path(sysconfig.get_path(name)).resolve()}{os.sep}"
    for name in ("stdlib", "platstdlib", "scripts")
)
#: Modules that Python loads by itself when it starts.
_AT_START = ("sitecustomize", "usercustomize")
#: A text that may name a module, or an object in one.
_NAME = re.compile(r"[^\W\d]\w*(?:\.\w+)*(?::[\w.]+)?")
#: What runs code that lies in no module. The first are also names of methods: `model.eval`.
_BUILTINS = frozenset({"exec", "eval", "compile"})
_RUNS_CODE = frozenset({
    "runpy", "run_path", "run_module", "exec_module", "load_module", "module_from_spec",
    "spec_from_file_location", "SourceFileLoader", "SourcelessFileLoader", "ExtensionFileLoader",
    "InteractiveInterpreter", "marshal", "CDLL", "PyDLL", "LoadLibrary", "load_library",
    "load_inline", "cpp_extension", "cdll", "windll", "oledll", "pythonapi", "dlopen",
})  # fmt: skip
#: What holds the environment beside :data:`os.environ`, whose reads are noted.
_OTHER_ENVIRONMENTS = frozenset({"posix", "nt"})
_READS_UNNOTED = frozenset({"environ()", "putenv", "unsetenv"})
_PROC = re.compile(r"(?:^|/)proc(?:/|$)")
_ENVIRON = re.compile(r"\benviron\b")
#: What loads or finds a module by a name that the source need not hold.
_BY_NAME = frozenset({
    "__import__", "import_module", "resolve_name", "walk_packages", "iter_modules", "importorskip",
    "import_plugin", "find_spec", "import_path", "entry_points",
})  # fmt: skip


@cache
def outside(file: str) -> str:
    """The real path of a file if it is neither a library's nor ours; else nothing."""
    if _is_librarys(file):  # most are, and following links takes a while
        return ""
    path = Path(file).resolve()
    if _is_librarys(str(path)):
        return ""
    # Modules that are made while others run have no file, but may have a name like one. Of what
    # lies in an archive, or was deleted, the file is missing too.
    lay_there = Path(file).is_absolute() or any(map(Path.is_file, (path, *path.parents)))
    return str(path) if lay_there else ""


def _is_librarys(path: str) -> bool:
    if path.startswith(package_folders()):
        return is_installed(path)
    return path.startswith((_PACKAGE, *_OF_PYTHON))


@dataclass(frozen=True)
class Source:
    """What the source of a module says of what it depends on.

    Attributes:
        names: modules that it imports somewhere, and texts that may name some.
        by_name: whether it may get at modules that it does not name.
        unknown: what in it can't be known, in words; empty without.
        environment: whether it mentions the process's environment.
    """

    names: frozenset[str] = frozenset()
    by_name: bool = False
    unknown: str = ""
    environment: bool = False


def read_source(text: bytes, package: str) -> Source:
    """What a module's source says.

    Args:
        text: the source.
        package: the package that relative imports start from.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return Source(
            unknown="is no Python source (compiled code, perhaps): what it does can't be known"
        )
    imported = set(_imported(tree, package))
    nodes = [*ast.walk(tree)]
    literals = [
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    texts = {each.partition(":")[0] for each in literals if _NAME.fullmatch(each)}
    modules = {part for name in imported for part in name.split(".")}
    words = modules | {node.id for node in nodes if isinstance(node, ast.Name)}
    attributes = _attributes(nodes)
    if "builtins" in words:
        words |= attributes | texts
    anything = words | attributes
    by_name = bool(_BY_NAME & anything or "sys.modules" in imported | attributes)
    environment = bool({"environ", "environb", "getenv", "getenvb"} & (anything | texts))
    running = sorted(_BUILTINS & words | _RUNS_CODE & anything)
    reading = sorted(
        _OTHER_ENVIRONMENTS & (modules | (texts if by_name and environment else set()))
    )
    reading += sorted(_READS_UNNOTED & anything)
    if any(map(_PROC.search, literals)) and any(map(_ENVIRON.search, literals)):
        reading.append("/proc")
    unknown = ""
    if running:
        unknown = f"uses {running[0]}: what code that runs can't be known"
    elif reading:
        unknown = f"uses {reading[0]}: what that has of the environment can't be noted"
    return Source(frozenset(imported | texts), by_name, unknown, environment)


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    """The modules that a source imports somewhere, and what may be modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            yield from (base, *(f"{base}.{alias.name}" for alias in node.names))


def _attributes(nodes: list[ast.AST]) -> set[str]:
    """The attributes that a source asks for; of some it matters whether they are called."""
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    found = set()
    for node in nodes:
        if isinstance(node, ast.Attribute):
            name = node.attr
            if name == "modules" and id(node) not in called:
                name = "sys.modules"  # `model.modules()` is another matter
            elif name == "environ" and id(node) in called:
                name = "environ()"  # a process has it, as psutil's; `os.environ` is another matter
            found.add(name)
    return found


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """The name of the module that something is imported from."""
    if not node.level:
        return node.module or ""
    parents = package.split(".")
    start = parents[: max(len(parents) - node.level + 1, 0)]
    return ".".join([*start, *([node.module] if node.module else [])])


class LoadedCode:
    """The modules outside the libraries that a run has loaded, and who loaded them.

    Args:
        config: pytest's configuration, which knows the plugins and conftest files.
        since: when the run began, in nanoseconds.
        before: the modules that were loaded then.
    """

    def __init__(self, config: pytest.Config, since: int, before: Iterable[str]) -> None:
        self._config, self._since = config, since
        self._before = frozenset(before)
        #: What was loaded for the first time while something ran: a test's module, or a measure.
        self._brought: dict[str, set[str]] = {}
        self._sources: dict[tuple[str, str], Source] = {}
        self._hashes: dict[str, str] = {}
        self._known: dict[Any, Code] = {}
        #: All modules when they were looked at last, and those of them outside the libraries.
        self._seen: list[tuple[str, ModuleType]] = []
        self._loaded: dict[str, Module] = {}

    @contextmanager
    def bringing(self, what: str) -> Iterator[None]:
        """Note what is loaded meanwhile: nothing but ``what`` depends on it, unless it says so."""
        before = set(sys.modules)
        try:
            yield
        finally:
            self._brought.setdefault(what, set()).update(sys.modules.keys() - before)

    def of(self, item: pytest.Item) -> Code:
        """The code that a test's numbers may depend on, of all that is loaded now.

        Raises:
            UncertainError: if it can't be known.
        """
        loaded = self._look()
        roots = tuple(dict.fromkeys(self._roots(item, loaded)))
        key = (roots, item.path, frozenset(loaded))
        if key not in self._known:
            self._known[key] = self._closure(roots, item.path, loaded)
        return self._known[key]

    def _look(self) -> dict[str, Module]:
        """The modules that are loaded now and lie outside the libraries, by name."""
        modules = list(sys.modules.items())
        if modules != self._seen:
            self._loaded = {
                name: Module(name, vars(module).get("__package__") or "", file)
                for name, module in modules
                if isinstance(module, ModuleType) and (file := outside(file_of(module)))
            }
            self._seen = modules
        return self._loaded

    def _roots(self, item: pytest.Item, loaded: Mapping[str, Module]) -> Iterator[Module]:
        """The modules of a test, of the plugins and conftest files, and of Python's start."""
        own: Any = getattr(item, "function", None)
        # A test that a class inherits is defined in another module.
        for each in (getattr(item, "module", None), inspect.getmodule(inspect.unwrap(own))):
            if isinstance(each, ModuleType):
                yield Module.of(each, str(Path(vars(each).get("__file__") or item.path).resolve()))
        for plugin in self._config.pluginmanager.get_plugins():
            module = plugin if isinstance(plugin, ModuleType) else _module_of(type(plugin))
            file = outside(file_of(module)) if module is not None else ""
            if module is not None and file:
                yield Module.of(module, file)
        yield from (loaded[name] for name in (*_AT_START, *_path_imports()) if name in loaded)

    def _closure(self, roots: Iterable[Module], test: Path, loaded: dict[str, Module]) -> Code:
        found: dict[str, Module] = {}
        waiting = [*roots]
        by_name = early = False
        while waiting:
            module = waiting.pop()
            if module.file in found:
                continue
            found[module.file] = module
            source = self._source(module)
            if source.unknown:
                raise UncertainError(f"{self._said(module.file)} {source.unknown}")
            by_name = by_name or source.by_name
            early = early or (source.by_name and module.name in self._before)
            waiting += [
                loaded[name] for name in _with_parents(source.names, module.name) if name in loaded
            ]
        read_early = [file for file, each in found.items() if self._was_early(each)]
        others = [
            name for key, names in self._brought.items() if key != str(test) for name in names
        ]
        unnamed = loaded.keys() - (() if early else self._before) - set(() if by_name else others)
        for name in unnamed:
            found.setdefault(loaded[name].file, loaded[name])
        contents = sorted((each.name, self._hash(file)) for file, each in found.items())
        digest = hashlib.sha256(repr(contents).encode()).hexdigest()
        return Code(digest, frozenset(found), tuple(map(self._said, sorted(read_early))))

    def _was_early(self, module: Module) -> bool:
        """Whether a module mentions the environment, and ran before reads of it were noted."""
        return module.name in self._before and self._source(module).environment

    def _source(self, module: Module) -> Source:
        key = (module.file, module.package)
        if key not in self._sources:
            self._sources[key] = read_source(self._bytes(module.file), module.package)
        return self._sources[key]

    def _hash(self, file: str) -> str:
        if file not in self._hashes:
            self._hashes[file] = hash_of(self._bytes(file))
        return self._hashes[file]

    def _bytes(self, file: str) -> bytes:
        path = Path(file)
        try:
            changed, content = path.stat().st_mtime_ns, path.read_bytes()
        except OSError:
            raise UncertainError(
                f"{self._said(file)} was imported, but is no file now (it lies in an archive, or "
                f"was deleted): what it holds can't be known"
            ) from None
        # Who knows which of the two was loaded?
        if changed >= self._since:
            raise UncertainError(f"{self._said(file)} was changed during the run")
        return content

    def _said(self, file: str) -> str:
        return os.path.relpath(file, self._config.invocation_params.dir)


@dataclass(frozen=True)
class Code:
    """The code that a test's numbers may depend on.

    Attributes:
        digest: a hash of it.
        files: where it lies.
        early: those files that mention the environment, and ran before reads of it were noted.
    """

    digest: str
    files: frozenset[str] = field(repr=False)
    early: tuple[str, ...]


@dataclass(frozen=True)
class Module:
    """A loaded module outside the libraries.

    Attributes:
        name: the name that it is imported by.
        package: the package that its relative imports start from.
        file: its file's real path.
    """

    name: str
    package: str
    file: str

    @classmethod
    def of(cls, module: ModuleType, file: str) -> Module:
        """A module, whose file is known."""
        return cls(module.__name__, vars(module).get("__package__") or "", file)


def file_of(module: ModuleType) -> str:
    """The file that a module says it was loaded from; nothing if it names none."""
    # Asking a lazy module for an attribute may load it.
    held = vars(module)
    spec = held.get("__spec__")
    file = held.get("__file__") or getattr(spec, "origin", None)
    return file if isinstance(file, str) else ""


def _module_of(kind: type) -> ModuleType | None:
    return sys.modules.get(kind.__module__)


def _with_parents(names: Iterable[str], own: str) -> Iterator[str]:
    """The names with those of the packages that they lie in, which Python imports first."""
    for name in {*names, own}:
        parts = name.split(".")
        yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


@lru_cache(maxsize=1)
def _path_imports() -> tuple[str, ...]:
    """The modules that .pth files have Python import when it starts."""
    found = []
    known = package_folders()
    for folder in sys.path:
        for file in sorted(Path(folder).glob("*.pth")) if f"{folder}{os.sep}" in known else ():
            text = file.read_text(encoding="utf-8", errors="replace")
            found += re.findall(r"^import[ \t]+([\w.]+)", text, re.MULTILINE)
    return tuple(found)
