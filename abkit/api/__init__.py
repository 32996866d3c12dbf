"""The platform over HTTP: `create_app` makes the application that `abkit serve` runs."""

from abkit.api.app import create_app

__all__ = ["create_app"]
