"""Every kind of source, in SmolLM2's size: seconds, memory, fingerprint, and logits beside plain.

Each is made in a folder that is thrown away, and loaded in a process of its own. Memory is what the
process's peak grows by, as Linux counts it. Logits of a prompt of 15 tokens are held against those
of plain transformers (and peft) for the same files; a native model's against those that it had
before it was saved. A fingerprint is stable if the same weights saved again have it too.

    python benchmarks/sources.py
"""

from __future__ import annotations
