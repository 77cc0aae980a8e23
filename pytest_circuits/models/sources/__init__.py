"""The kinds of source a model can come from, a module each, and what they share."""
