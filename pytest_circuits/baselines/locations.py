"""Where a test's baselines lie, which test a file is of, and what that test is called."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: The folder beside a test file that holds its baselines.
ROOT = "__circuits__"

_MAX_NAME = 200
_ILLEGAL = re.compile(r"[^\w .()+,;=@#%&!\[\]{}~^-]", re.ASCII)
_DIGITS = 8
_HASH = re.compile(rf"-[0-9a-f]{{{_DIGITS}}}$")


class Location(NamedTuple):
    """A baseline file's place: ``<folder>/__circuits__/<alias>/<module>/<name>.json``.

    Attributes:
        folder: the test file's folder.
        alias: the model's alias.
        module: the test file's name without its ending.
        name: the test's name, as :func:`file_name` makes it.
    """

    folder: Path
    alias: str
    module: str
    name: str

    @classmethod
    def of(cls, path: Path) -> Location | None:
        """The place of a baseline file; None for a path that no baseline has."""
        if len(path.parents) < 4 or path.parents[2].name != ROOT or path.suffix != ".json":  # noqa: PLR2004
            return None
        return cls(path.parents[3], path.parents[1].name, path.parents[0].name, path.stem)

    @property
    def path(self) -> Path:
        """The file's path."""
        return self.folder / ROOT / self.alias / self.module / f"{self.name}.json"

    def of_alias(self, alias: str) -> Location:
        """The same test's file of another model."""
        return self._replace(alias=alias)

    def is_of(self, test: str) -> bool:
        """Whether the file is that of a test which somebody names.

        Args:
            test: a function, perhaps with its class before it and its parameters after it
                (``TestHeads.test_induction[16]``), or a node id. Without a class: of any; without
                parameters: with any.
        """
        name, bracket, parameters = test.partition("[")
        parts = name.split("::")
        if parts[0].endswith(".py"):
            file = Path(parts.pop(0)).parts
            if (self.folder / f"{self.module}.py").parts[-len(file) :] != file:
                return False
        name = ".".join(parts)
        own, _, _ = _HASH.sub("", self.name).partition("[")
        if "." not in name and "." in own:
            name = f"{own.rpartition('.')[0]}.{name}"
        if not bracket:
            return own == name or self.name == file_name(name, "")
        parameters = parameters.removesuffix("]")
        # A node id ends in the model's alias, which is none of the test's own parameters.
        spellings = (parameters, parameters.removesuffix(self.alias).removesuffix("-"))
        return self.name in {file_name(name, spelling) for spelling in spellings}


def file_name(test: str, parameters: str) -> str:
    """A test's file name without its ending: legal everywhere, stable, and at most 200 long.

    A short hash of the true name is added where the name had to be changed, or where another
    test's name could differ from it only in case (which some file systems do not tell apart).

    Args:
        test: class and function, ``TestHeads.test_induction``.
        parameters: the id of the test's own parameters; the model's alias is not one of them.
    """
    true = f"{test}[{parameters}]" if parameters else test
    name = _ILLEGAL.sub("_", true)
    # Classes have capitals by custom; elsewhere they are what two names could differ in.
    cased = f"{test.rpartition('.')[2]}{parameters}"
    if name == true and cased == cased.lower() and len(name) <= _MAX_NAME:
        return name
    digest = hashlib.sha256(true.encode()).hexdigest()[:_DIGITS]
    return f"{name[: _MAX_NAME - len(digest) - 1]}-{digest}"


def baseline_path(test_file: Path, alias: str, name: str) -> Path:
    """A test's baselines for an alias: ``__circuits__/<alias>/<module>/<name>.json``."""
    return Location(test_file.parent, alias, test_file.stem, name).path


def walk(folder: Path, skip: Callable[[Path], bool] = lambda _: False) -> Iterator[Location]:
    """The baseline files below a folder, in order. Symbolic links are not followed.

    Args:
        folder: where to begin.
        skip: whether to stay out of a folder.
    """
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        inside = ROOT in here.parts
        folders[:] = sorted(name for name in folders if inside or not skip(here / name))
        for file in sorted(files):
            location = Location.of(here / file)
            if location is not None and not location.path.is_symlink():
                yield location


def nodeid_of(location: Location, top: Path) -> str:
    """The test's node id without a model's alias, ``sub/test_a.py::TestB::test_c[16]``.

    A file's name is the test's, but for signs that no file may have; then it ends in a hash, which
    stays where it tells two tests apart.

    Args:
        location: the baseline file.
        top: the folder that paths count from.
    """
    name = location.name
    test, bracket, parameters = _HASH.sub("", name).partition("[")
    if file_name(test, parameters.removesuffix("]")) != name:
        test, bracket, parameters = name.partition("[")
    path = (location.folder / f"{location.module}.py").relative_to(top).as_posix()
    return f"{path}::{test.replace('.', '::')}{bracket}{parameters}"


def file_of(test: str, alias: str) -> str:
    """The path of the file of a test that :func:`nodeid_of` named, from the same folder."""
    path, _, rest = test.partition("::")
    function, bracket, parameters = rest.partition("[")
    name = function.replace("::", ".")
    if _HASH.search(rest):
        name = f"{name}{bracket}{parameters}"
    else:
        name = file_name(name, parameters.removesuffix("]"))
    folder, slash, module = path.rpartition("/")
    return f"{folder}{slash}__circuits__/{alias}/{module.removesuffix('.py')}/{name}.json"
