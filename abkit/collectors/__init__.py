"""From rows, wherever they lie, to moments."""

from abkit.collectors.collector import collect
from abkit.collectors.source import Source

__all__ = ["Source", "collect"]
