from .gate import (
    Gate as Gate,
    Waiver as Waiver,
    WaiverError as WaiverError,
    parse_waiver as parse_waiver,
    passes as passes,
)
from .judging import (
    behaviour_reasons as behaviour_reasons,
    headline_number as headline_number,
    judge as judge,
    mechanism_change as mechanism_change,
    readable as readable,
    summarise as summarise,
    whole_gone as whole_gone,
    without_baseline as without_baseline,
)
from .precision import Imprecision as Imprecision, imprecision as imprecision
from .roles import MechanismChange as MechanismChange, followed as followed
from .settling import NewPrompts as NewPrompts, settle as settle, unsettled as unsettled
from .tolerances import (
    Allowance as Allowance,
    Tolerance as Tolerance,
    decode_tolerance as decode_tolerance,
    default_tolerance as default_tolerance,
    encode_tolerance as encode_tolerance,
)
from .unseen import narrowed as narrowed, windows as windows
from .verdict import (
    SEVERITY as SEVERITY,
    About as About,
    Change as Change,
    Kind as Kind,
    Movement as Movement,
    NewBehaviour as NewBehaviour,
    Outcome as Outcome,
    Reading as Reading,
    Reason as Reason,
    Scope as Scope,
    Settlement as Settlement,
    Verdict as Verdict,
)
from .words import (
    brief as brief,
    canary_move as canary_move,
    damage_not_approved as damage_not_approved,
    headline as headline,
    lines as lines,
    own_change as own_change,
    reason_text as reason_text,
    scope_text as scope_text,
    settlement_text as settlement_text,
)
