"""ARCHITECTURE.md and the records of decisions name what there is."""

import re

import pytest
from docs.pages import ROOT

import pytest_circuits

PACKAGE = ROOT / "pytest_circuits"
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
RECORDS = sorted((ROOT / "docs/decisions").glob("*.md"))


def test_the_map_has_every_name_at_the_top_and_no_other():
    drawn = set(re.findall(r"^[├└]── ([\w.]+)", PAGE, re.MULTILINE))
    there = {path.name for path in PACKAGE.iterdir() if not path.name.startswith(("_", "."))}
    assert drawn == there - {"py.typed"}


@pytest.mark.parametrize("page", [ROOT / "ARCHITECTURE.md", *RECORDS], ids=lambda page: page.name)
def test_every_module_and_every_page_that_is_named_is_there(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`(?:pytest_circuits/)?([a-z][a-z_/]*\.(?:py|json|pyi))`", text)
    missing = [name for name in named if not (PACKAGE / name).exists()]
    assert [name for name in missing if not (ROOT / name).exists()] == []
    linked = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert [link for link in linked if not (page.parent / link).exists()] == []


def test_every_attribute_of_a_room_that_is_named_is_there():
    named = re.findall(r"`(\w+)\.(\w+)`", PAGE)
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    for room, name in named:
        if room in rooms and name not in ("py", "json"):
            __import__(f"pytest_circuits.{room}")
            assert hasattr(getattr(pytest_circuits, room), name), f"{room}.{name}"


def test_every_record_is_in_the_list():
    listed = re.findall(r"\]\((\S+?\.md)\)", (ROOT / "docs/decisions/README.md").read_text("utf-8"))
    assert sorted(listed) == [path.name for path in RECORDS if path.name != "README.md"]
