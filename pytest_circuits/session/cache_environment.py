"""What code outside the libraries reads from the environment, noted while it does.

Reads by libraries don't count: what they make of a variable is either a matter of where things lie,
or the variable is one of :data:`_OF_LIBRARIES`, whose values count in any case. What a process
reads that a test starts isn't noted.
"""

# ruff: noqa: ANN401, SLF001 — os.environ and os.environb are of one class, which has no public name

from __future__ import annotations

import os
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from pytest_circuits.session.cache_code import outside
from pytest_circuits.session.cache_keys import UncertainError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import FrameType

    from pytest_circuits.findings import Json

#: How the names of variables begin by which libraries choose what they compute with.
_OF_LIBRARIES = (
    "ACCELERATE_", "ATEN_", "BLIS_", "BNB_", "CUBLAS", "CUDA_", "CUDNN_", "DISABLE_KERNEL",
    "DNNL_", "DYLD_", "FLASH_", "GOMP_", "GOTO_", "HF_HUB_", "HIP_", "KMP_", "LD_", "MKL_",
    "NPY_", "NUMEXPR_", "NVIDIA_TF32", "OMP_", "ONEDNN_", "OPENBLAS_", "PYTORCH_", "ROCBLAS_",
    "TOKENIZERS_", "TORCH", "TRANSFORMERS_", "TRITON_", "USE_", "VECLIB_", "XLA_",
)  # fmt: skip
#: What most code that reads it asks for CI alone. Read, they count by their values.
_OF_CI = frozenset({"BUILD_NUMBER", "CI", "GITHUB_ACTIONS"})
#: Modules that read on behalf of whoever called them.
_ON_BEHALF = frozenset({
    "os", "_collections_abc", "collections", "string", "copy", "functools", "operator",
    "configparser", "contextlib", "typing",
    "absl", "click", "configargparse", "decouple", "dotenv", "dynaconf", "environ", "environs",
    "hydra", "marshmallow", "omegaconf", "pydantic", "pydantic_settings", "starlette", "typer",
})  # fmt: skip
#: Modules that write on behalf of whoever called them.
_WRITES_ON_BEHALF = frozenset({"_pytest", "unittest", *_ON_BEHALF})


class Reads:
    """Who reads what from the environment, from when it is made until :meth:`stop`."""

    def __init__(self) -> None:
        #: Values by file and name; of what was missing, None.
        self._values: defaultdict[tuple[str, str], set[str | None]] = defaultdict(set)
        self._lines: dict[tuple[str, str], int] = {}
        self._whole: dict[str, int] = {}
        #: Libraries set some of their variables themselves: these count as they were at first.
        self._at_first = dict(os.environ)
        self._written: set[str] = set()
        self._names = [name for name in ("environ", "environb") if hasattr(os, name)]
        self._before = [getattr(os, name) for name in self._names]
        self._noted = [_Noted(each, self) for each in self._before]
        for name, noted in zip(self._names, self._noted, strict=True):
            setattr(os, name, noted)

    def stop(self) -> None:
        """Note nothing more."""
        for name, noted, before in zip(self._names, self._noted, self._before, strict=True):
            if getattr(os, name) is noted:
                setattr(os, name, before)

    def note(self, name: str | None, value: str | None = None) -> None:
        """Note that whoever is calling reads a variable, or all of them."""
        file, line = _caller(_ON_BEHALF)
        if not file:
            return
        if name is None:
            self._whole.setdefault(file, line)
        else:
            self._values[file, name].add(value)
            self._lines.setdefault((file, name), line)

    def note_write(self, name: str) -> None:
        """Note that whoever is calling writes a variable."""
        if name.startswith(_OF_LIBRARIES) and _caller(_WRITES_ON_BEHALF)[0]:
            self._written.add(name)

    def of(self, files: Collection[str], declared: Collection[str]) -> Json:
        """The values that some files have read, and those of the libraries' variables.

        Args:
            files: real paths.
            declared: the variables that may be read.

        Raises:
            UncertainError: if they have read others.
        """
        for file, line in sorted(self._whole.items()):
            if file in files:
                raise UncertainError(
                    f"{_place(file, line)} reads all of the environment, of which nobody can know "
                    f"what matters"
                )
        read = {key: values for key, values in sorted(self._values.items()) if key[0] in files}
        for file, name in read:
            known = name in declared or name in _OF_CI or name.startswith(_OF_LIBRARIES)
            if not known:
                raise UncertainError(
                    f"{_place(file, self._lines[file, name])} reads {name} from the environment, "
                    f"which circuits_env doesn't declare"
                )
        seen: dict[str, set[str | None]] = {name: {os.environ.get(name)} for name in declared}
        for (_, name), values in read.items():
            seen.setdefault(name, set()).update(values)
        return {
            "declared": {
                name: [*sorted(values, key=lambda each: (each is None, each))]
                for name, values in sorted(seen.items())
            },
            "libraries": {
                name: (os.environ if name in self._written else self._at_first).get(name)
                for name in sorted({*self._at_first, *self._written})
                if name.startswith(_OF_LIBRARIES)
            },
        }


class _Noted(os._Environ[Any]):
    """The environment itself, which says what is read of it."""

    def __init__(self, environment: os._Environ[Any], reads: Reads) -> None:
        vars(self).update(vars(environment), _reads=reads)

    def __getitem__(self, key: Any) -> Any:
        try:
            value = super().__getitem__(key)
        except KeyError:
            self._note(key)
            raise
        self._note(key, value)
        return value

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        vars(self)["_reads"].note_write(os.fsdecode(key))

    def __delitem__(self, key: Any) -> None:
        vars(self)["_reads"].note_write(os.fsdecode(key))
        try:
            super().__delitem__(key)
        except KeyError:
            self._note(key)
            raise

    def _note(self, key: Any, value: Any = None) -> None:
        if isinstance(key, str | bytes):
            reads: Reads = vars(self)["_reads"]
            reads.note(os.fsdecode(key), None if value is None else os.fsdecode(value))

    def __iter__(self) -> Iterator[Any]:
        vars(self)["_reads"].note(None)
        return super().__iter__()

    def __len__(self) -> int:
        vars(self)["_reads"].note(None)
        return super().__len__()

    def __repr__(self) -> str:
        vars(self)["_reads"].note(None)
        return super().__repr__()


def _caller(on_behalf: Collection[str]) -> tuple[str, int]:
    """The file and line of who reads or writes, if it lies outside the libraries; else nothing."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        module, file = str(frame.f_globals.get("__name__")), frame.f_code.co_filename
        # Others of these functions read what they themselves name, as HOME.
        named = module in ("posixpath", "ntpath")
        if named and frame.f_code.co_name != "expandvars":
            return "", 0
        passes = named or module.partition(".")[0] in on_behalf or file.startswith("<")
        if not passes and module != __name__:
            return outside(file), frame.f_lineno
        frame = frame.f_back
    return "", 0


def _place(file: str, line: int) -> str:
    return f"{os.path.relpath(file)}:{line}"
