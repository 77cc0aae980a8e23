"""Loading starts no program, asks no network, and writes nothing but what a run remembers."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import gguf
import pytest
from circuit_suites import copy_of_recall
from models.multimodal import save_multimodal
from models.small_adapters import small_adapter
from models.test_gguf import rotated, written
from models.test_quantised import save_bits_and_bytes, save_fp8
from transformers import AutoModelForCausalLM

from pytest_circuits.testing import tiny_checkpoint

TESTS = Path(__file__).parents[1]
COMMIT = "a" * 40

#: Loads every source that it is given, measures it, and says what was noted meanwhile.
LOADING = """
import json
import sys

from models.watched import Watch

allowed, *sources = sys.argv[1:]
watch = Watch(allowed)
from pytest_circuits import measures
from pytest_circuits.models import load, parse_source

for text in sources:
    watch.seen.clear()
    others = None
    if text.startswith("registry:"):
        import makers
        others = lambda source, device, dtype: makers.plain()
    loaded = load(parse_source(text), "cpu", others=others)
    finding = measures.induction_scores(loaded.bridge)
    assert loaded.fingerprint
    print(json.dumps([text, finding.values.shape, watch.seen]))
"""

#: A run of pytest, watched, with a conftest that knows the source.
RUNNING = """
import json
import sys

import pytest

from models.watched import Watch

temporary, folder = sys.argv[1:]
watch = Watch(temporary, folder + "/cache")
status = pytest.main(["--circuits", "--rootdir", folder, folder, "-p", "no:jaxtyping"])
print(json.dumps(["run", int(status), watch.seen]))
"""

MAKERS = """
from transformers import AutoModelForCausalLM, AutoTokenizer

FOLDER = {folder!r}


def plain():
    return AutoModelForCausalLM.from_pretrained(FOLDER), AutoTokenizer.from_pretrained(FOLDER)


def program():
    import subprocess, sys
    try:
        subprocess.run([sys.executable, "--version"])
    except Exception:
        pass
    return plain()


def network():
    import socket
    try:
        socket.getaddrinfo("localhost", 80)
    except Exception:
        pass
    return plain()


def file():
    try:
        open(FOLDER + "/left.txt", "w")
    except Exception:
        pass
    return plain()
"""

CONFTEST = """
import makers


def pytest_circuits_load_model(source, device, dtype):
    return makers.plain() if source.startswith("registry:") else None
"""


def watched(code, made, *arguments):
    """What a watched process printed, as JSON, by the first of each line."""
    temporary = str(made / "temporary")
    environment = {
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(made), os.environ.get("PYTHONPATH", "")]),
        "HF_HOME": str(made / "cache"),
        "HF_HUB_OFFLINE": "1",
        "TMPDIR": temporary,
        "TORCHINDUCTOR_CACHE_DIR": temporary,
    }
    run = subprocess.run(
        [sys.executable, "-B", "-c", code, temporary, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )
    lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("[")]
    assert run.returncode == 0, run.stderr
    return {name: (found, seen) for name, found, seen in lines}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with sources of every kind, by their names."""
    folder = tmp_path_factory.mktemp("sources")
    plain = tiny_checkpoint(folder / "plain")
    (folder / "makers.py").write_text(MAKERS.format(folder=str(plain)))
    copy_of_recall(folder / "native")
    with pytest.warns(FutureWarning, match="is_gradient_checkpointing"):
        small_adapter(folder / "adapter", plain)
    model = AutoModelForCausalLM.from_pretrained(plain)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
    written(
        folder / "plain.gguf",
        {
            names.get_name(name, try_suffixes=(".weight",)): rotated(name, value.numpy())
            for name, value in model.state_dict().items()
        },
    )
    cached = folder / "cache" / "hub" / "models--org--tiny"
    shutil.copytree(plain, cached / "snapshots" / COMMIT)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(COMMIT)
    save_multimodal(folder / "multimodal", "gemma3")
    save_fp8(plain, folder / "fp8")
    if importlib.util.find_spec("bitsandbytes"):
        save_bits_and_bytes(plain, folder / "int8", "int8")
    (folder / "temporary").mkdir()
    return folder


#: Every kind of source.
SOURCES = {
    "bundled": "bundled:recall",
    "native folder": "{}/native",
    "folder": "{}/plain",
    "multimodal": "{}/multimodal",
    "fp8": "{}/fp8",
    "int8": "{}/int8",
    "adapter": "{}/adapter",
    "GGUF": "{}/plain.gguf",
    "hub": "org/tiny",
    "function": "makers:plain",
    "plugin": "registry:plain",
}
#: Functions that do what is not allowed, and catch the error; how that is noted begins.
PLANTED = {
    "makers:program": "subprocess.Popen",
    "makers:network": "socket.getaddrinfo",
    "makers:file": "open",
}


@pytest.fixture(scope="module")
def noted(made):
    """What every source's loading was noted for, by the source."""
    texts = [text.format(made) for text in SOURCES.values()]
    present = [text for text in texts if "int8" not in text or (made / "int8").exists()]
    return watched(LOADING, made, *present, *PLANTED)


@pytest.mark.parametrize("kind", SOURCES)
def test_a_source_is_loaded_and_measured_by_itself(noted, made, kind):
    text = SOURCES[kind].format(made)
    if kind == "int8":
        pytest.importorskip("bitsandbytes")

    shape, seen = noted[text]

    assert shape in ([2, 4], [4, 4])
    assert seen == []


@pytest.mark.parametrize("planted", PLANTED)
def test_what_is_not_allowed_is_noted_though_a_library_hides_it(noted, made, planted):
    _, seen = noted[planted]

    assert [event.partition(" ")[0] for event in seen] == [PLANTED[planted]]
    assert not (made / "plain" / "left.txt").exists()


def test_a_run_writes_what_it_remembers_and_nothing_else(made, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\ncache_dir = cache/pytest\ncircuits_models = plain = registry:plain\n"
    )
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_heads.py").write_text(
        "def test_heads(circuits):\n    assert circuits.induction_scores().values.shape == (2, 4)\n"
    )

    assert watched(RUNNING, made, tmp_path)["run"] == (0, [])
    assert {path.name for path in tmp_path.iterdir()} == {
        "cache",
        "conftest.py",
        "pytest.ini",
        "test_heads.py",
    }
