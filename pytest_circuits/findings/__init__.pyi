from .allowance import Allowance as Allowance
from .circuit import Circuit as Circuit, CircuitError as CircuitError, Head as Head
from .finding import (
    SIGNIFICANT as SIGNIFICANT,
    Behaviour as Behaviour,
    Canary as Canary,
    ChoiceError as ChoiceError,
    Direction as Direction,
    Finding as Finding,
    InvalidFindingError as InvalidFindingError,
    Json as Json,
    Null as Null,
    Role as Role,
)
from .paired import (
    PairedDifference as PairedDifference,
    PairingError as PairingError,
    paired_differences as paired_differences,
)
from .power import enough_prompts as enough_prompts
