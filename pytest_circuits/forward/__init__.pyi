from .ablation import (
    ZERO as ZERO,
    Nodes as Nodes,
    Replacement as Replacement,
    Value as Value,
    drawn_from as drawn_from,
    every_node as every_node,
    fewest_references as fewest_references,
    mean_of as mean_of,
    nodes as nodes,
    recorded as recorded,
    run_ablated as run_ablated,
    silenced as silenced,
)
from .anatomy import output_weights as output_weights
from .directions import (
    along_heads as along_heads,
    before_final_norm as before_final_norm,
    logit_factor as logit_factor,
)
from .edits import Reading as Reading
from .lens import (
    copied_logits as copied_logits,
    read_out as read_out,
)
from .patching import (
    Cell as Cell,
    cells_of as cells_of,
    patch_cells as patch_cells,
    to_put_in as to_put_in,
)
from .precision import ROUNDING as ROUNDING, exact as exact
from .prompted import PromptGroup as PromptGroup, PromptRun as PromptRun, run_prompts as run_prompts
from .replay import SlowSweepWarning as SlowSweepWarning
from .runs import (
    Progress as Progress,
    Runs as Runs,
    as_runs as as_runs,
)
from .sequences import (
    RepeatedRun as RepeatedRun,
    TextRun as TextRun,
    next_token_losses as next_token_losses,
    run_canary as run_canary,
    run_control as run_control,
    run_repeated as run_repeated,
    run_repeated_alone as run_repeated_alone,
    run_texts as run_texts,
)
from .sites import (
    SITES as SITES,
    Site as Site,
    gradients as gradients,
    record as record,
)
from .windows import (
    attention_windows as attention_windows,
    largest_window as largest_window,
    longest_affordable as longest_affordable,
)
