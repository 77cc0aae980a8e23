from .agreement import subject_verb_agreement as subject_verb_agreement
from .capitals import country_capital as country_capital
from .chat import Chat as Chat
from .indirect_object import ioi as ioi
from .pairs import PromptPairs as PromptPairs
from .phrases import repeated_phrases as repeated_phrases
from .sequences import (
    DrawnTokens as DrawnTokens,
    RepeatedTokens as RepeatedTokens,
    repeated_tokens as repeated_tokens,
)
from .tokenized import TokenizedPairs as TokenizedPairs
from .tokens import PromptError as PromptError, PromptWarning as PromptWarning
from .year_spans import greater_than as greater_than
