"""What goes wrong with prompts."""


class PromptError(ValueError):
    """Prompts are unfit for what was asked; the message shows which and why."""


class PromptWarning(UserWarning):
    """Prompts fit, but are not quite what was asked for; the message says how they differ."""
