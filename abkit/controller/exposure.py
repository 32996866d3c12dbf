"""Who is in which variant, as the store knows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine

from abkit.assignment import Split
from abkit.errors import NotFoundError
from abkit.models import Experiment
from abkit.store.assignments import add_assignments, read_variants
from abkit.store.engine import reading, with_retry, writing
from abkit.store.repository import read_experiment, read_running
from abkit.store.text import searchable


class Exposure:
    """Reads and writes the assignments of an organization's users."""

    def __init__(self, engine: Engine, organization_id: str, clock: Callable[[], datetime]) -> None:
        self._engine, self._organization_id, self._clock = engine, organization_id, clock

    def running(self, agent_id: str) -> Experiment | None:
        """Return the experiment that runs on an agent."""
        with reading(self._engine) as connection:
            found = read_running(connection, self._organization_id, searchable(agent_id))
        return found.experiment if found else None

    def given(self, experiment_id: str, users: Sequence[str]) -> Mapping[str, str]:
        """Return the variants that users have already."""
        with reading(self._engine) as connection:
            return read_variants(connection, self._organization_id, experiment_id, users)

    def give(self, experiment_id: str, chosen: Mapping[str, str], now: datetime) -> Mapping[str, str]:
        """Give users variants, and return what they have then: the first that was stored."""

        def write() -> Mapping[str, str]:
            with writing(self._engine) as connection:
                add_assignments(connection, self._organization_id, experiment_id, chosen, now=now)
                return read_variants(connection, self._organization_id, experiment_id, list(chosen))

        return with_retry(write)  # done twice it does the same: the first variant that was stored stays

    def of_observed(self, connection: Connection, experiment_id: str, users: Sequence[str]) -> Mapping[str, str]:
        """Return the variants of users who were observed; one who has none gets it while the experiment runs."""
        stored = read_experiment(connection, self._organization_id, experiment_id)
        if stored.id != experiment_id:
            raise NotFoundError(
                f"no experiment with the id {experiment_id!a}; that is the key of {stored.id!a}: name it so"
            )
        given = dict(read_variants(connection, self._organization_id, experiment_id, users))
        missing = [user for user in users if user not in given]
        if missing and stored.status == "running":
            split = Split.of(stored.experiment)
            chosen = {user: split.variant(user) for user in missing}
            new = add_assignments(connection, self._organization_id, experiment_id, chosen, now=self._clock())
            others = new < len(chosen)  # somebody else was quicker
            given.update(read_variants(connection, self._organization_id, experiment_id, missing) if others else chosen)
        return given
