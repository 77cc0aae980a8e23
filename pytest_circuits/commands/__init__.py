"""The commands of ``pytest-circuits``, a module each. None needs a model."""
