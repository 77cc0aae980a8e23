"""torch's process-wide state that decides numbers: its switches, and the functions that compute.

:func:`foreign` compares them with torch's defaults and with the libraries' own functions, so that a
change is noticed that was made before this module was imported.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_circuits.models.computing import NOTHING, library
from pytest_circuits.models.torch_switches import ANY, SWITCHES, put_back, states

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_circuits.models.computing import Names


def foreign() -> tuple[str, ...]:
    """What of torch's process-wide state is not torch's own, in words; nothing where all is.

    Switches (global module hooks, autocast, default dtype and device, modes, precision,
    determinism) are held against what torch has when it is imported; functions and classes that
    compute, in torch, transformers and transformer-lens as far as they are loaded, against where
    their code lies.
    """
    computing = library()
    computing.look()
    changed = (
        f"{switch.name}: {switch.shown(value)}"
        for switch, value in zip(SWITCHES, states(), strict=True)
        if switch.own is not ANY and value != switch.own
    )
    return (*changed, *computing.strange)


@contextmanager
def at_a_moment() -> Iterator[None]:
    """Look once at what computes, for all who ask meanwhile: only code of ours may run."""
    computing = library()
    computing.look()
    computing.is_looked_at, before = True, computing.is_looked_at
    try:
        yield
    finally:
        computing.is_looked_at = before


class TorchState:
    """torch's state at a moment: its switches, and the functions that compute."""

    def __init__(self) -> None:
        computing = library()
        computing.look()
        self._switches = states()
        self._looks = computing.looks
        self._held = {names: names.held for names in computing.names}
        self._bodies = computing.bodies()

    def changes(self) -> tuple[str, ...]:
        """What is different now, in words."""
        states_now = zip(SWITCHES, self._switches, states(), strict=True)
        functions = (
            *(f"{names.label}.{name} was replaced" for names, name in self._replaced()),
            *(f"{function.__qualname__} was rewritten" for function, *_ in self._rewritten()),
        )
        if not functions:
            # What was imported since is no change: it need not be compared again.
            self._looks = library().looks
        return (
            *(f"{each.name}: {each.shown(now)}" for each, was, now in states_now if was != now),
            *functions,
        )

    def restore(self) -> None:
        """Put back what is different now."""
        put_back(self._switches)
        for names, name in list(self._replaced()):
            names.put(name, self._before(names).get(name, NOTHING))
        for function, code, defaults in list(self._rewritten()):
            function.__code__, function.__defaults__ = code, defaults

    def _replaced(self) -> Iterator[tuple[Names, str]]:
        computing = library()
        computing.look()
        # Where nothing was changed since, nothing needs to be compared.
        for names in computing.names if computing.looks != self._looks else ():
            before = self._before(names)
            if before is not names.held:
                for name in {**before, **names.held}:
                    if names.is_another(name, before):
                        yield names, name

    def _before(self, names: Names) -> Mapping[str, object]:
        """The values at this state; of a module that was imported later, its first values.

        A replaced function is never restored: the library's own was there before it.
        """
        before = self._held.get(names)
        if before is not None or not names.was_strange:
            return names.at_first if before is None else before
        return {
            name: names.held.get(name, value) if names.is_strange(name, value) else value
            for name, value in names.at_first.items()
        }

    def _rewritten(self) -> Iterator[tuple[Any, Any, Any]]:
        if library().looks == self._looks:
            return
        for function, code, defaults in zip(*self._bodies, strict=True):
            if function.__code__ is not code or function.__defaults__ is not defaults:
                yield function, code, defaults
