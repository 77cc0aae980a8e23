"""Two states of the baselines in git, and what changed between them. Needs no model."""
