"""What looks like a secret is refused, and what only sounds like one is not."""

import pytest

from abkit.errors import ParameterError
from abkit.report.credentials import known_secrets, refuse_credentials


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("db_password", "x"),
        ("API_KEY", "x"),
        ("token", "x"),
        ("experiment", "postgresql://me:hunter22@host/db"),
        ("experiment", "mysql+pymysql://:hunter22@host"),
        ("note", "password=hunter22"),
        ("note", "Bearer abcdefghijklmnopqrstuvwxyz"),
        ("note", "-----BEGIN OPENSSH PRIVATE KEY-----"),
    ],
)
def test_credentials_are_refused_and_not_repeated(name: str, value: str) -> None:
    with pytest.raises(ParameterError, match="written into the report") as error:
        refuse_credentials({name: value})
    assert "hunter22" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", 100),
        ("experiment", "reports/token-price.yml"),
        ("experiment", "postgresql://me@host/db"),
        ("hypothesis", "a secret: handshakes help; a password prompt costs users"),
        ("url", "https://example.org/a:b@c"),
    ],
)
def test_plain_values_pass(name: str, value: object) -> None:
    refuse_credentials({name: value})


def test_words_that_stand_in_any_text_are_not_looked_for() -> None:
    environment = {
        "ABKIT_STORE": "postgresql://abkit:abkit@host/db",
        "PGPASSWORD": "postgres",
        "TOKEN_FILE": "tokens-of-2026",
        "SERVICE_TOKEN": "/var/run/secrets/token",
        "PWD": "/srv/experiments",
        "MAX_TOKEN": "123456789",
        "DB_PASSWORD": "planted-0815",
    }
    assert known_secrets(environment) == {"planted-0815"}
