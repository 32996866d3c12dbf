"""Controlled experiments on AI-agent variants: design, analyze, decide, report."""

__version__ = "0.1.0"
