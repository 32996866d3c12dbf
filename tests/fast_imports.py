"""Loaded before any plugin: jsonschema would build a grammar for two seconds to check a format nobody uses."""

import sys

sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
