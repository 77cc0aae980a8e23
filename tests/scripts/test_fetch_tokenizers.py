"""The script that fetches tokenizers reads Llama 2's vocabulary and merges out of JavaScript."""

import base64
import runpy
import struct
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/fetch_tokenizers.py"


@pytest.fixture
def script():
    return runpy.run_path(str(SCRIPT))


def test_the_vocabulary_is_numbered_line_by_line_and_merges_are_two_numbers_each(script):
    vocabulary = base64.b64encode("<unk>\n▁\nt\n▁t\na\n▁ta".encode()).decode()
    merges = base64.b64encode(struct.pack("<4H", 1, 2, 3, 4)).decode()
    source = (
        f'const llama_vocab_base64 = "{vocabulary}";\n\nconst llama_merges_binary = "{merges}";\n'
    )

    assert script["llama2_vocabulary"](source) == {
        "vocab": {"<unk>": 0, "▁": 1, "t": 2, "▁t": 3, "a": 4, "▁ta": 5},
        "merges": ["▁ t", "▁t a"],
    }


def test_what_is_there_is_left_alone(script, tmp_path, monkeypatch):
    for name in (*script["PACKAGES"], "llama2"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("PATH", "")  # so npm would not be found

    script["fetch"](tmp_path)

    assert not any(path.is_file() for path in tmp_path.rglob("*"))
