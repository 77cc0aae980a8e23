"""A source → a hooked model on a device. Importing this imports no torch, and no module of ours."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
