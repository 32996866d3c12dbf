from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select

from abkit.errors import NotFoundError, ParameterError
from abkit.store.engine import reading, writing
from abkit.store.keys import NewKey, authenticate, create_key, list_keys, revoke_key
from abkit.store.tables import api_keys, metadata

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def make(store: Engine, organization_id: str = "acme", **options: object) -> NewKey:
    with writing(store) as connection:
        return create_key(connection, organization_id, "ci", ["read", "ingest"], now=NOW, **options)  # type: ignore[arg-type]


def test_a_key_opens_its_organization_with_its_scopes(store: Engine) -> None:
    new = make(store)
    with reading(store) as connection:
        key = authenticate(connection, new.text, now=NOW)
    assert key == new.key
    assert key is not None
    assert (key.organization_id, key.scopes) == ("acme", ("read", "ingest"))
    assert (key.allows("read"), key.allows("manage")) == (True, False)


def test_anything_else_opens_nothing(store: Engine) -> None:
    new, other = make(store), make(store)
    public, secret = new.text.split("_")[1:]
    wrong = [
        "",
        "abk_",
        new.text[:-1],
        new.text + "0",
        new.text + "\n",
        new.text.upper(),
        f"abk_{public}_{other.text.split('_')[2]}",
        f"abk_{'0' * 16}_{secret}",
        f"abk_{public}_{'é' * 32}",
        "abk_\0_' OR 1=1 --",
    ]
    with reading(store) as connection:
        assert [authenticate(connection, text, now=NOW) for text in wrong] == [None] * len(wrong)


def test_expired_and_revoked_keys_open_nothing(store: Engine) -> None:
    short, revoked = make(store, expires_at=NOW + timedelta(hours=1)), make(store)
    with writing(store) as connection:
        first = revoke_key(connection, "acme", revoked.key.public_id, now=NOW)
        again = revoke_key(connection, "acme", revoked.key.public_id, now=NOW + timedelta(days=1))
    assert first == again
    with reading(store) as connection:
        assert authenticate(connection, revoked.text, now=NOW) is None
        assert authenticate(connection, short.text, now=NOW + timedelta(minutes=59)) == short.key
        assert authenticate(connection, short.text, now=NOW + timedelta(hours=1)) is None


def test_organizations_see_and_end_their_own_keys_only(store: Engine) -> None:
    mine, theirs = make(store), make(store, "umbrella")
    with writing(store) as connection:
        assert list_keys(connection, "acme") == [mine.key]
        with pytest.raises(NotFoundError, match="no key"):
            revoke_key(connection, "acme", theirs.key.public_id, now=NOW)
        assert authenticate(connection, theirs.text, now=NOW) == theirs.key


def test_a_dump_of_the_store_holds_no_usable_key(store: Engine) -> None:
    new = make(store)
    secret = new.text.split("_")[2]
    assert len(bytes.fromhex(secret)) * 8 == 128
    with reading(store) as connection:
        dump = repr([connection.execute(select(table)).all() for table in metadata.sorted_tables])
        hashes = connection.scalars(select(api_keys.c.secret_hash)).all()
    assert new.key.public_id in dump
    assert secret not in dump
    assert secret not in repr(new)
    with reading(store) as connection:
        assert authenticate(connection, f"abk_{new.key.public_id}_{hashes[0][:32]}", now=NOW) is None


@pytest.mark.parametrize(
    ("name", "scopes", "said"),
    [
        ("ci", ["reed"], "did you mean 'read'"),
        ("ci", [], "at least one scope"),
        ("", ["read"], "1 to 200 characters"),
        ("a\0b", ["read"], "NUL"),
        ("\ud800", ["read"], "unpaired surrogate"),
    ],
)
def test_keys_that_cannot_be_made(store: Engine, name: str, scopes: list[str], said: str) -> None:
    with writing(store) as connection, pytest.raises(ParameterError, match=said):
        create_key(connection, "acme", name, scopes, now=NOW)


def test_an_end_in_the_past_is_refused(store: Engine) -> None:
    with pytest.raises(ParameterError, match="expired"):
        make(store, expires_at=NOW)
