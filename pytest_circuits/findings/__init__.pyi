from .allowance import Allowance as Allowance
from .behaviour import Behaviour as Behaviour, Direction as Direction
from .choices import ChoiceError as ChoiceError
from .circuit import (
    Circuit as Circuit,
    CircuitError as CircuitError,
    Head as Head,
    HeadLike as HeadLike,
)
from .finding import (
    SIGNIFICANT as SIGNIFICANT,
    Canary as Canary,
    Finding as Finding,
    InvalidFindingError as InvalidFindingError,
    Json as Json,
    Null as Null,
    Output as Output,
    Role as Role,
)
from .paired import (
    PairedDifference as PairedDifference,
    PairingError as PairingError,
    paired_differences as paired_differences,
)
from .power import PromptCount as PromptCount, enough_prompts as enough_prompts
