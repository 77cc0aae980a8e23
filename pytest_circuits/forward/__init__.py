"""Forward passes: made once, batched, remembered. The only room besides models that runs one.

Importing this imports no module of ours, and no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
