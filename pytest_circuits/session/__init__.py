"""A pytest run with ``--circuits``: its settings, models, snapshots and findings."""
