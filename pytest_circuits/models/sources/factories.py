"""Functions of the user's own that make a model: ``package.module:factory``.

The module is imported as any other, from where Python looks at that time: under pytest the folders
of conftest files and those of its ini key ``pythonpath`` are among these. The factory is called
without arguments, or with ``device=`` and ``dtype=`` (texts: ``"cpu"``; ``"auto"`` or a float
type's name) where its signature has them by these names. What it may return is in
:mod:`pytest_circuits.models.sources.given`. It is called whenever the model is needed afresh, and
makes a new one each time.

Nobody can know of a function what it will return, so what was measured on its model is never
remembered, unless the factory brings a fingerprint: an attribute of this name, a text or a function
without arguments that returns one. It must be another text whenever the model is another: the hash
of every file that the factory reads, say. Its own code counts by itself, as far as it stands in its
module.

Example::

    def make():
        return AutoModelForCausalLM.from_pretrained(FOLDER), AutoTokenizer.from_pretrained(FOLDER)

    make.fingerprint = lambda: hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import traceback
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_circuits.models.errors import ModelError, raised
from pytest_circuits.models.sources.given import GivenCheckpoint

if TYPE_CHECKING:
    from collections.abc import Callable

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_ANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _place_of(error: SyntaxError) -> tuple[str, int]:
    return error.filename or "", error.lineno or 1


class FactoryCheckpoint(GivenCheckpoint):
    """A model that a function makes."""

    giver = "the factory"

    def files(self) -> list[Path]:
        """The files of the module that was named, and of the one that has the function's code."""
        files = (getattr(self._module, "__file__", None), self._place[0])
        paths = (Path(file) for file in dict.fromkeys(files) if file)
        return [path for path in paths if path.is_file()]

    def fingerprint(self) -> str | None:
        """What the factory says its model's fingerprint is; None if it says nothing."""
        own = getattr(self._factory, "fingerprint", None)
        if callable(own):
            try:
                own = own()
            except Exception as error:
                raise raised(
                    self.source, f"{self.giver}'s fingerprint", error, *self._place
                ) from error
        elif own is None:
            return None
        if not isinstance(own, str) or not own:
            raise ModelError(
                f"{self.source.text}: {self.giver}'s fingerprint is {own!r}, and should be a text, "
                f"or a function that returns one."
            )
        return f"factory-sha256:{hashlib.sha256(own.encode()).hexdigest()}"

    def rest(self) -> str:
        """A hash of the factory's module, and of which function in it is called."""
        return hashlib.sha256(f"{super().rest()}\0{self.source.location}".encode()).hexdigest()

    @cached_property
    def _module(self) -> object:
        name = self.source.location.partition(":")[0]
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if name == missing or name.startswith(f"{missing}."):
                raise ModelError(
                    f"{self.source.text}: Python finds no module {missing!r}.\n"
                    f"Install the package that has it, or name its folder in pytest's settings, "
                    f"as in: pythonpath = ."
                ) from error
            raise self._not_imported(name, error) from error
        except (Exception, SystemExit) as error:
            raise self._not_imported(name, error) from error

    def _not_imported(self, name: str, error: BaseException) -> ModelError:
        if isinstance(error, SyntaxError):
            return raised(self.source, f"the module {name}", error, *_place_of(error))
        frames = traceback.extract_tb(error.__traceback__)
        # The last of those that aren't this one, or Python's own way of importing.
        files = [
            each.filename
            for each in frames
            if each.filename != __file__ and "importlib" not in each.filename
        ]
        file = files[-1] if files else name
        return raised(self.source, f"the module {name}", error, file, 1)

    @cached_property
    def _factory(self) -> Callable[..., object]:
        found: Any = self._module
        module, _, path = self.source.location.partition(":")
        where = f"the module {module}"
        for name in path.split("."):
            if not hasattr(found, name):
                raise ModelError(f"{self.source.text}: {where} has no {name!r}.")
            found = getattr(found, name)
            where = f"{name} in {where}"
        if not callable(found):
            raise ModelError(
                f"{self.source.text}: {path} can't be called: "
                f"it is of type {type(found).__name__}.\n"
                f"A factory is a function that makes a model."
            )
        factory: Callable[..., object] = found
        return factory

    @property
    def _place(self) -> tuple[str, int]:
        """Where the factory's code begins: file and line."""
        code = getattr(inspect.unwrap(self._factory), "__code__", None)
        if code is None:
            return str(getattr(self._module, "__file__", "")), 1
        return code.co_filename, code.co_firstlineno

    def given(self, device: str, dtype: str) -> object:
        """What the factory returns."""
        arguments = self._arguments({"device": device, "dtype": dtype})
        try:
            return self._factory(**arguments)
        except (Exception, SystemExit) as error:
            raise raised(self.source, self.giver, error, *self._place) from error

    def _arguments(self, known: dict[str, str]) -> dict[str, str]:
        """Those that the factory takes."""
        try:
            parameters = inspect.signature(self._factory).parameters
        except ValueError:  # of a function that isn't Python's
            return {}
        taken = {
            name: value
            for name, value in known.items()
            if name in parameters and parameters[name].kind in _BY_NAME
        }
        missing = [
            repr(name)
            for name, each in parameters.items()
            if each.default is each.empty and each.kind not in _ANY and name not in taken
        ]
        if missing:
            raise ModelError(
                f"{self.source.text}: {self.giver} needs {', '.join(missing)}, "
                f"which nobody gives.\n"
                f"It is called without arguments, or with device= and dtype= where it takes them."
            )
        return taken
