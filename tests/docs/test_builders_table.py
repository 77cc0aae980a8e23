"""The table of builders and tokenizers in docs/measures.md is what the script writes."""

import runpy
from pathlib import Path

import pytest
from real_tokenizers import FOLDERS, load

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.real


def test_the_table_is_the_one_that_the_script_writes():
    script = runpy.run_path(str(ROOT / "scripts/builders_table.py"))
    tokenizers = {folder: load(name) for name, folder in FOLDERS.items()}
    columns = {name: tokenizers[folder] for name, folder in script["FOLDERS"].items()}

    assert f"\n{script['table'](columns)}\n" in (ROOT / "docs/measures.md").read_text("utf-8")
