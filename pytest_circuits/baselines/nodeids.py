"""What a baseline file's test is called, as far as the file's name tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_circuits.baselines.names import Location, file_name

if TYPE_CHECKING:
    from pathlib import Path

_HASH = re.compile(r"-[0-9a-f]{8}$")


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
