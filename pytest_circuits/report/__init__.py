"""Rows → what people read. Pure functions: tested without a model.

Names are loaded when they are first used, so that a run imports the reports that it makes.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
