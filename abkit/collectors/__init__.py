"""From rows, wherever they lie, to moments."""

from abkit.collectors.collector import collect
from abkit.collectors.source import Source
from abkit.collectors.units import read_units

__all__ = ["Source", "collect", "read_units"]
