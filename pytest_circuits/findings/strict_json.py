"""The one way in which files of JSON are read: what is wrong is told with its line.

Python's own reader takes NaN and 1e999, keeps the last of two fields of one name, and gives up with
a ``RecursionError`` on brackets within brackets. None of that may get into a number, or out of a
run as a traceback.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How deep objects and lists may lie in each other. Ours need fifteen levels.
DEEPEST = 64
#: Characters of a number or a name that a message shows.
_SHOWN = 40

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}:,]|[^\s"\[\]{}:,]+', re.DOTALL)
_CONFLICT = re.compile(r"^(<{7}|={7}|>{7}|\|{7})", re.MULTILINE)
#: Where half a character may be escaped, which no file can hold.
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


class JsonError(ValueError):
    """A text is no JSON that can be relied on.

    Attributes:
        problem: what is wrong with it.
        line: where, from 1; None where that can't be told.
        is_conflict: whether it is what a merge left that git could not make.
    """

    def __init__(self, problem: str, line: int | None = None, *, is_conflict: bool = False) -> None:
        super().__init__(problem if line is None else f"line {line}: {problem}")
        self.problem, self.line, self.is_conflict = problem, line, is_conflict


def parse_json(data: bytes | str, *, strict: bool = True) -> Any:  # noqa: ANN401 — any JSON
    """What a text of JSON says.

    Args:
        data: the text; as bytes it is UTF-8.
        strict: whether to refuse what other programs write and read: NaN, infinity, and names that
            an object has twice. A number that no float holds and half a character are refused
            along with them.

    Raises:
        JsonError: also for a text that is nested too deeply, is no UTF-8, or has a merge conflict.
    """
    text = _decoded(data) if isinstance(data, bytes) else data
    try:
        if strict:
            document = json.loads(
                text,
                object_pairs_hook=_object,
                parse_constant=_refused,
                parse_float=_finite,
                parse_int=_whole,
            )
        else:
            document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _first_problem(text, error, strict=strict) from None
    if _is_deep(document) or (strict and _HALF.search(text) and _has_halves(document)):
        raise _first_problem(text, None, strict=strict)
    return document


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise JsonError(f"is not UTF-8 (byte 0x{data[error.start]:02x})", line) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a name occurs twice")
    return fields


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("too large")
    return number


def _whole(digits: str) -> int:
    _finite(digits)
    return int(digits)


def _is_deep(document: object) -> bool:
    """Whether it is nested more deeply than what walks through it may be ready for."""
    level = [document]
    for _ in range(DEEPEST + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def _has_halves(document: object) -> bool:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _first_problem(text: str, error: Exception | None, *, strict: bool) -> JsonError:
    """What is wrong with a text that was refused, at its first line with anything wrong."""
    end = len(text)
    if isinstance(error, json.JSONDecodeError):
        conflict = _CONFLICT.search(text)
        if conflict:
            line = _line(text, conflict.start())
            return JsonError("has a merge conflict", line, is_conflict=True)
        end = error.pos
    for place, problem in _problems(text, end, strict=strict):
        return JsonError(problem, _line(text, place))
    if isinstance(error, json.JSONDecodeError):
        if text.startswith("\ufeff"):
            return JsonError("begins with a byte order mark", 1)
        return JsonError(f"is not JSON ({error.msg})", error.lineno)
    return JsonError(f"is not JSON ({error})")


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def _problems(text: str, end: int, *, strict: bool) -> Iterator[tuple[int, str]]:
    """Places in a text up to which it is JSON, and what is wrong there."""
    # The names of every object that is open; None for a list.
    names: list[set[str] | None] = []
    last = ""
    for match in _TOKEN.finditer(text, 0, end):
        sign, place = match.group(), match.start()
        if sign in "[{":
            names.append(set() if sign == "{" else None)
            if len(names) > DEEPEST:
                yield place, f"is nested more than {DEEPEST} levels deep"
        elif sign in "]}":
            del names[-1:]
        elif strict and sign.startswith('"'):
            said = json.loads(sign, strict=False)
            shown = sign if len(sign) <= _SHOWN else f"{sign[:_SHOWN]}…"
            if _has_halves(said):
                yield place, f"holds half a character ({shown})"
            known = names[-1] if names else None
            if known is not None and last in ("{", ","):
                if said in known:
                    yield place, f"has the field {shown} twice"
                known.add(said)
        elif strict and sign not in ":,":
            yield from _of_number(sign, place)
        last = sign


def _of_number(token: str, place: int) -> Iterator[tuple[int, str]]:
    if token in ("NaN", "Infinity", "-Infinity"):
        yield place, f"holds {token}, which is no JSON"
        return
    try:
        is_too_large = math.isinf(float(token))
    except ValueError:
        return
    if is_too_large:
        shown = token if len(token) <= _SHOWN else f"{token[:_SHOWN]}…"
        yield place, f"holds {shown}, which is larger than any number can be"
