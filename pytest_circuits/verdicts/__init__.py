"""Found against approved: tolerances, judgement, gate and words. Needs no model.

Public names are loaded when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
