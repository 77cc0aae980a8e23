"""Name the caches of a gate: where they lie, and what decides whether one still serves."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

from outputs import write_outputs

_ROOT = Path(__file__).resolve().parents[3]
#: Where pytest looks for its settings, and so where a suite's models are declared.
_INIS = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini")


def main() -> None:
    """Write the caches' places and keys as outputs."""
    hub = _hub()
    # Saving a folder that isn't there is a warning on every run of a suite that needs no hub.
    hub.mkdir(parents=True, exist_ok=True)
    system = f"{os.environ.get('RUNNER_OS', platform.system())}-{platform.machine()}"
    models = f"{os.environ['INPUT_SOURCE']}\0{os.environ['INPUT_REFERENCE']}"
    prefix = f"circuits-hub-{system}-{_digest(*_inis(os.environ['INPUT_SUITE']))}-"
    pip = _pip() if os.environ["INPUT_INSTALL"] == "true" else ""
    python = "{}.{}".format(*sys.version_info)
    pinned = _digest(
        (_ROOT / "constraints.txt").read_bytes(),
        (_ROOT / "pyproject.toml").read_bytes(),
        os.environ["INPUT_EXTRAS"].encode(),
    )
    write_outputs(
        {
            "pip-path": pip,
            "pip-key": f"circuits-pip-{system}-{python}-{pinned}",
            "hub-path": str(hub),
            "hub-key": prefix + _digest(models.encode()),
            "hub-prefix": prefix,
        }
    )


def _hub() -> Path:
    """The Hugging Face hub's cache, where the libraries would put it."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{cache}/huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or f"{home}/hub").expanduser()


def _pip() -> str:
    """The cache of pip; empty where it is switched off."""
    command = [sys.executable, "-m", "pip", "cache", "dir"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    return asked.stdout.strip() if asked.returncode == 0 else ""


def _inis(suite: str) -> list[bytes]:
    """The settings files of a suite's folder and of those above it, up to the workspace."""
    top = Path.cwd().resolve()
    start = (top / suite.partition("::")[0]).resolve()
    folders = [folder for folder in (start, *start.parents) if folder.is_relative_to(top)]
    files = [folder / name for folder in folders for name in _INIS]
    return [file.read_bytes() for file in files if file.is_file()]


def _digest(*parts: bytes) -> str:
    joined = hashlib.sha256()
    for part in parts:
        joined.update(hashlib.sha256(part).digest())
    return joined.hexdigest()[:16]


if __name__ == "__main__":
    main()
