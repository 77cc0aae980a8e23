"""A circuit test's variants: one for every model, and which of its parameters are its own."""

from __future__ import annotations

import inspect
from types import CodeType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: The fixture that every circuit test is parametrised over.
SOURCE = "circuit_source"
#: What each call of ``parametrize`` was over, in order, by function.
_PARAMETRIZED = pytest.StashKey[dict[str, list[tuple[str, ...]]]]()


def note_parameters(metafunc: pytest.Metafunc) -> None:
    """Note what a function is parametrised over from now on, by whomever."""
    noted: list[tuple[str, ...]] = []
    given: Any = metafunc.parametrize

    def noting(argnames: str | Sequence[str], *arguments: object, **options: object) -> None:
        given(argnames, *arguments, **options)
        names = argnames.split(",") if isinstance(argnames, str) else argnames
        noted.append(tuple(name.strip() for name in names if name.strip()))

    parent = metafunc.definition.parent
    assert parent is not None
    parent.stash.setdefault(_PARAMETRIZED, {})[metafunc.definition.name] = noted
    # pytest tells nobody which part of an id is of which parameters.
    vars(metafunc)["parametrize"] = noting


def alias_of(item: pytest.Item) -> str | None:
    """The alias of the model that a test is run on; None for a test that has no such variants."""
    variant: Any = getattr(item, "callspec", None)
    alias: str | None = None if variant is None else variant.params.get(SOURCE)
    return alias


def own_parameters(item: pytest.Item) -> str:
    """The id of the parameters that the test asks for, the model's alias left out.

    A parameter that it doesn't ask for, as a plugin adds one that repeats every test, says nothing
    of what it measures: with and without it, the baselines are the same.
    """
    parts = _parts(item)
    if parts is None:
        # Where that leaves anything unclear, the test is refused.
        return "-".join(_ids(item)[:-1])
    others = _others(item)
    return "-".join(
        part for part, names in parts if SOURCE not in names and not others.issuperset(names)
    )


def problem_of(item: pytest.Item) -> str | None:
    """Why a test's baselines can't be told by its id; None where they can."""
    alias = alias_of(item)
    if alias is None:
        return None
    parts, ids, others = _parts(item), _ids(item), _others(item)
    if ids[-1:] != [alias] or (parts is not None and SOURCE not in parts[-1][1]):
        return (
            f"this test's id doesn't end in its model, {alias!r}, by which its baselines are found"
            f".\nA plugin or conftest.py parametrises it after pytest-circuits did: let its "
            f"pytest_generate_tests do that before its `yield`, or be no wrapper."
        )
    if parts is None and others:
        return (
            f"this test's baselines can't be told: it has a parameter that it doesn't ask for, "
            f"{min(others)!r}, and ids of others are hidden, or given before all others.\n"
            f"Give every parameter an id (no pytest.HIDDEN_PARAM), and no wrapper before its yield."
        )
    return None


def _parts(item: pytest.Item) -> list[tuple[str, tuple[str, ...]]] | None:
    """The parts of a test's id, each with the names that it is of; None where that isn't known."""
    ids, noted = _ids(item), _parametrized(item)
    known = {name for names in noted for name in names}
    variant: Any = getattr(item, "callspec", None)
    # Ids can be hidden, and parameters given before all others.
    if len(ids) != len(noted) or known != set(getattr(variant, "params", ())):
        return None
    return list(zip(ids, noted, strict=True))


def _ids(item: pytest.Item) -> list[str]:
    variant: Any = getattr(item, "callspec", None)
    # What joins them may stand in an id too.
    return [] if variant is None else list(variant._idlist)  # noqa: SLF001


def _parametrized(item: pytest.Item) -> list[tuple[str, ...]]:
    assert item.parent is not None
    noted = item.parent.stash.get(_PARAMETRIZED, {})
    return noted.get(getattr(item, "originalname", item.name), [])


def _others(item: pytest.Item) -> set[str]:
    """The parameters that a test doesn't ask for."""
    variant, info = getattr(item, "callspec", None), getattr(item, "_fixtureinfo", None)
    # pytest has reduced these to what is reached from the test's own arguments.
    names = set(getattr(variant, "params", ())).difference(getattr(info, "names_closure", ()))
    return names.difference(_asked_for(item)) if names else set()


def _asked_for(item: pytest.Item) -> set[str]:
    """The names that a test asks for: itself, through its fixtures, or by name at run time."""
    info: Any = getattr(item, "_fixtureinfo", None)
    dynamic = texts(code_of(getattr(item, "function", None))) if "request" in info.argnames else ()
    return reachable([*info.initialnames, *dynamic], item)


def reachable(names: Iterable[str], item: pytest.Item) -> set[str]:
    """Fixtures' names, and those that these ask for: as arguments, or by ``request``."""
    manager: Any = item.session._fixturemanager  # noqa: SLF001 — the one way to know what is asked
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for fixture in manager.getfixturedefs(name, item) or ():
            waiting += asked_by(fixture)
    return seen


def asked_by(fixture: pytest.FixtureDef[Any]) -> list[str]:
    """The names that a fixture asks for itself, perhaps by name: every text in it may be one."""
    dynamic = texts(code_of(fixture.func)) if "request" in fixture.argnames else ()
    return [*fixture.argnames, *dynamic]


def code_of(function: object) -> CodeType | None:
    """The code of a function, also of a decorated one."""
    whole: Any = inspect.unwrap(function) if callable(function) else None
    code: CodeType | None = getattr(whole, "__code__", None)
    return code


def texts(code: CodeType | None) -> Iterator[str]:
    """The texts that stand in a function, and in those within it."""
    for constant in code.co_consts if code else ():
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from texts(constant)
