"""What the routes share: versions as ETags, pages."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Protocol

from fastapi import Depends, Header, Path, Query, Response

from abkit.plain import to_plain
from abkit.store.paging import LARGEST_PAGE

_ETAG: Final = re.compile(r'"([0-9]{1,9})"', re.ASCII)
_NO_VERSION: Final = -1


class Versioned(Protocol):
    """A record that knows its version."""

    @property
    def version(self) -> int:
        """Rises with every change."""


def tagged(response: Response, record: Versioned) -> Any:
    """Return a record as JSON holds it, its version in the ETag."""
    response.headers["ETag"] = f'"{record.version}"'
    return to_plain(record)


def _version(
    if_match: Annotated[str | None, Header(description="The ETag on which the change was prepared.")] = None,
) -> int | None:
    if if_match is None or if_match == "*":
        return None
    found = _ETAG.fullmatch(if_match)  # no version has any other tag
    return int(found[1]) if found else _NO_VERSION


IfVersion = Annotated[int | None, Depends(_version)]
ExperimentId = Annotated[str, Path(description="Id or key.")]
Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE)]
Cursor = Annotated[str | None, Query(pattern="^[A-Za-z0-9_-]+$", description="`next_cursor` of the page before.")]
