"""From moments to a verdict, with every number that led to it."""

from abkit.analyzer.analyzer import analyze_snapshot
from abkit.analyzer.result import Analysis

__all__ = ["Analysis", "analyze_snapshot"]
