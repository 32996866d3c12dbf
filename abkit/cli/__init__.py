"""`abkit ...`: parse, call, print."""

from abkit.cli.app import main

__all__ = ["main"]
