"""Draw the rooms of the package and who imports whom, from the import graph.

``python scripts/draw_architecture.py`` writes the picture and its numbers into ARCHITECTURE.md,
between two marks; ``--check`` says whether they are those of the code. It needs import-linter's
``grimp`` (``pip install -e ".[dev]"``).
"""

from __future__ import annotations

import sys
from pathlib import Path

import grimp

PACKAGE = "pytest_circuits"
PAGE = Path(__file__).parents[1] / "ARCHITECTURE.md"
BEGIN, END = "<!-- drawn by scripts/draw_architecture.py -->", "<!-- drawn until here -->"


def room_of(module: str) -> str:
    """The room that a module belongs to; empty for the package's own face."""
    return module.removeprefix(PACKAGE).removeprefix(".").partition(".")[0]


def imports() -> tuple[dict[str, set[str]], int]:
    """The rooms that each room imports, and how many modules there are."""
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
    known: dict[str, set[str]] = {}
    for module in sorted(graph.modules):
        room = room_of(module)
        if not room:
            continue
        known.setdefault(room, set())
        for imported in graph.find_modules_directly_imported_by(module):
            other = room_of(imported)
            if other and other != room:
                known[room].add(other)
    return known, len(graph.modules)


def reachable(start: str, known: dict[str, set[str]]) -> set[str]:
    """All rooms that a room knows, also through others."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for other in known[waiting.pop()] - found:
            found.add(other)
            waiting.append(other)
    return found


def drawn() -> str:
    """The picture, in Mermaid, and its numbers."""
    known, modules = imports()
    below = {room: reachable(room, known) for room in known}
    circles = sorted(room for room in known if room in below[room])
    # What follows from other arrows is not drawn.
    arrows = [
        f"{room} --> {other}"
        for room in sorted(known)
        for other in sorted(known[room])
        if not any(other in below[between] for between in known[room] - {other})
    ]
    tied = {room for arrow in arrows for room in arrow.split(" --> ")}
    alone = sorted(known.keys() - tied)
    lines = ["```mermaid", "flowchart TD", *(f"    {arrow}" for arrow in (*alone, *arrows)), "```"]
    pairs = sum(map(len, known.values()))
    numbers = (
        f"{len(known)} rooms, {modules} modules, {pairs} pairs of rooms of which one imports the "
        f"other, {len(circles)} rooms in circles. Arrows that follow from others are left out."
    )
    return "\n".join([*lines, "", numbers])


def main() -> int:
    """Write the picture, or check it; gives the exit status."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    now = f"{before}{BEGIN}\n{drawn()}\n{END}{after}"
    if "--check" in sys.argv:
        if page != now:
            print("ARCHITECTURE.md is not drawn from this code: run scripts/draw_architecture.py")
        return int(page != now)
    PAGE.write_text(now, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
