from .devices import DEVICE_PATTERN as DEVICE_PATTERN, DTYPES as DTYPES
from .errors import ModelError as ModelError
from .hygiene import Clean as Clean
from .loading import LoadedModel as LoadedModel, load as load
from .pool import ModelPool as ModelPool, parse_size as parse_size
from .sources.native import save_native as save_native
from .sources.source import (
    Source as Source,
    SourceKind as SourceKind,
    bundled_names as bundled_names,
    parse_source as parse_source,
)
