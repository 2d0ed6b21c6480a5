"""Where pictures come from, one kind of source a file."""

from curate.sources.opening import open_source
from curate.sources.source import Input, Source

__all__ = ["Input", "Source", "open_source"]
