"""The tables of the first release."""

from alembic import op

import abkit.store.observation_tables  # noqa: F401 - puts its tables into the metadata
from abkit.store.tables import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table."""
    metadata.create_all(op.get_bind())
