"""The number under which an experiment's observations are kept."""

from __future__ import annotations

import hashlib


def stream_of(organization_id: str, experiment_id: str) -> int:
    """Return the stream of an experiment of an organization: 64 bits of a hash of both ids.

    Examples
    --------
    >>> stream_of("default", "e1") != stream_of("another", "e1")
    True
    """
    text = f"{len(organization_id)}:{organization_id}:{experiment_id}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)
