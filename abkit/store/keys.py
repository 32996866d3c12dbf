"""API keys: ``abk_<public id>_<secret>``. The secret is shown once; the store holds its hash."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args

from sqlalchemy import Connection, insert, select, update

from abkit.errors import NotFoundError, ParameterError, suggest
from abkit.store.tables import api_keys
from abkit.store.text import LONGEST_NAME, require_text

Scope = Literal["read", "ingest", "manage"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

_FORM: Final = re.compile(r"abk_([0-9a-f]{16})_([0-9a-f]{32})", re.ASCII)
_NOBODY: Final = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What may be done with a key, and whose it is; the secret is not part of it."""

    organization_id: str
    public_id: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def allows(self, scope: Scope) -> bool:
        """Whether the key may be used for that."""
        return scope in self.scopes

    def is_valid(self, now: datetime) -> bool:
        """Whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made; `text` is what the client sends, and is nowhere else."""

    key: ApiKey
    text: str

    def __repr__(self) -> str:
        return f"NewKey({self.key!r}, text='abk_{self.key.public_id}_...')"


def create_key(
    connection: Connection,
    organization_id: str,
    name: str,
    scopes: Sequence[str],
    *,
    now: datetime,
    expires_at: datetime | None = None,
) -> NewKey:
    """Make a key.

    Raises
    ------
    ParameterError
        An unknown scope or none, a name that cannot be stored, or an end that has passed.
    """
    require_text(name, "name of the key", LONGEST_NAME)
    if expires_at is not None and expires_at <= now:
        raise ParameterError(f"the key would have expired at {expires_at.isoformat()} already; choose a later time")
    public_id, secret = secrets.token_hex(8), secrets.token_hex(16)
    key = ApiKey(organization_id, public_id, name, _scopes(scopes), now, expires_at)
    row = {column.name: getattr(key, column.name) for column in api_keys.c if column.name != "secret_hash"}
    connection.execute(insert(api_keys), {**row, "scopes": list(key.scopes), "secret_hash": _hash(secret)})
    return NewKey(key, f"abk_{public_id}_{secret}")


def _scopes(wanted: Sequence[str]) -> tuple[Scope, ...]:
    for scope in wanted:
        if scope not in SCOPES:
            raise ParameterError(f"no scope {scope!r}{suggest(scope, SCOPES)}")
    if not wanted:
        raise ParameterError(f"a key needs at least one scope: {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in wanted)


def authenticate(connection: Connection, text: str, *, now: datetime) -> ApiKey | None:
    """Return the key that a client showed, or None where it is unknown, wrong, expired or revoked.

    Unknown ids take the same steps as known ones, and secrets are compared in constant time.
    """
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    row = connection.execute(select(api_keys).where(api_keys.c.public_id == form[1])).first()
    expected = row.secret_hash if row is not None else _NOBODY
    matches = hmac.compare_digest(_hash(form[2]), expected)
    if row is None or not matches:
        return None
    key = _key(row)
    return key if key.is_valid(now) else None


def list_keys(connection: Connection, organization_id: str) -> list[ApiKey]:
    """Return every key of an organization, the oldest first."""
    mine = select(api_keys).where(api_keys.c.organization_id == organization_id)
    return [_key(row) for row in connection.execute(mine.order_by(api_keys.c.created_at, api_keys.c.public_id))]


def revoke_key(connection: Connection, organization_id: str, public_id: str, *, now: datetime) -> ApiKey:
    """End a key for good; revoking it again changes nothing.

    Raises
    ------
    NotFoundError
        The organization has no such key.
    """
    c = api_keys.c
    mine = (c.organization_id == organization_id, c.public_id == public_id)
    connection.execute(update(api_keys).where(*mine, c.revoked_at.is_(None)).values(revoked_at=now))
    row = connection.execute(select(api_keys).where(*mine)).first()
    if row is None:
        known = [key.public_id for key in list_keys(connection, organization_id)]
        raise NotFoundError(f"no key {public_id[:40]!a}{suggest(public_id[:40], known)}")
    return _key(row)


def _key(row: object) -> ApiKey:
    values = {name: getattr(row, name) for name in ApiKey.__dataclass_fields__}
    return ApiKey(**{**values, "scopes": tuple(values["scopes"])})


def _hash(secret: str) -> str:
    """A secret of 128 random bits cannot be guessed from a fast hash."""
    return hashlib.sha256(secret.encode()).hexdigest()
