"""Run by Alembic inside the transaction that `abkit.store.schema.upgrade` opened."""

from alembic import context

from abkit.store.schema import VERSION_TABLE
from abkit.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
