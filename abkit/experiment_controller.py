"""The running side of abkit: experiments in a store, from draft to shipped, in one call for each step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any

from sqlalchemy import Engine

from abkit.analyzer import Analysis
from abkit.assignment import Assignment, BatchAssignment, TrafficAssigner
from abkit.catalog import searchable, utc_now
from abkit.collectors.observed import observed_source
from abkit.controller import analyze, parse_time
from abkit.errors import DataError
from abkit.experiment_status import ExperimentStatus, check_plan, describe_status
from abkit.lifecycle import Lifecycle
from abkit.models import Experiment
from abkit.store.assignments import add_assignments, count_assignments, read_variants
from abkit.store.engine import open_engine, reader, reading, with_retry, writing
from abkit.store.observation_tables import observations
from abkit.store.records import StoredExperiment
from abkit.store.repository import read_experiment, read_running
from abkit.store.results import latest_result
from abkit.store.schema import upgrade
from abkit.store.tables import assignments


def connect(
    url: str, organization_id: str = "default", *, clock: Callable[[], datetime] = utc_now
) -> ExperimentController:
    """Open a store, and create or upgrade it.

    Parameters
    ----------
    url : str
        ``sqlite:///abkit.db``, ``sqlite://`` (in memory) or ``postgresql://user@host/database``.
    organization_id : str
        Nothing of any other organization is seen or touched.
    clock : callable
        Returns the time.

    Raises
    ------
    ParameterError
        Not the address of a store.
    StoreError
        It cannot be reached, or a newer abkit wrote it.

    Examples
    --------
    >>> from abkit.models import Mean, Variant
    >>> variants = [Variant("plain", 50, is_control=True), Variant("warming", 50, config={"temperature": 1})]
    >>> with connect("sqlite://") as lab:
    ...     draft = lab.create(Experiment("demo", variants, Mean("score")), agent={"temperature": 0})
    ...     lab.start("demo").status
    'running'
    """
    engine = open_engine(url)
    try:
        upgrade(engine)
        return ExperimentController(engine, organization_id, clock=clock)
    except BaseException:
        engine.dispose()
        raise


class ExperimentController(Lifecycle):
    """Everything that is done with experiments in a store; `connect` opens one.

    Parameters
    ----------
    engine : Engine
        A store that `upgrade` was called on.
    organization_id : str
        Nothing of any other organization is seen or touched.
    clock : callable
        Returns the time.
    time_to_live : float
        Seconds for which `assign` may not notice that another process started or paused an experiment.
    """

    def __init__(
        self,
        engine: Engine,
        organization_id: str = "default",
        *,
        clock: Callable[[], datetime] = utc_now,
        time_to_live: float = 5.0,
    ) -> None:
        super().__init__(engine, organization_id, clock=clock)
        self._assigner = TrafficAssigner(
            self._read_running, self._read_assignments, self._write_assignments, clock=clock, time_to_live=time_to_live
        )

    def assign(self, agent_id: str, user_id: str) -> Assignment:
        """Return the variant of a user of an agent, the same one at every call; both None where nothing runs.

        Raises
        ------
        ParameterError
            The user id is not one.
        """
        return self._assigner.assign(agent_id, user_id)

    def assign_batch(self, agent_id: str, users: Any, *, column: str = "user_id") -> BatchAssignment:
        """Return the variants of many users: a sequence, an array, or a frame with the ids in `column`."""
        return self._assigner.assign_batch(agent_id, users, column=column)

    def analyze(self, key: str, *, as_of: str | datetime | None = None) -> Analysis:
        """Analyze what was recorded for an experiment.

        Parameters
        ----------
        key : str
            Key or id.
        as_of : str or datetime, optional
            ISO date or time up to which observations count; a date means its end.

        Raises
        ------
        NotFoundError
            No such experiment, or nothing was recorded.
        DataError
            What was recorded cannot be analyzed as it is.
        """
        limit = parse_time(as_of) if isinstance(as_of, str) else as_of
        return self._analyze(self.get(key), limit)

    def status(self, key: str, *, live: bool = True) -> ExperimentStatus:
        """Return where an experiment stands: sizes, target, and what the data says so far.

        Parameters
        ----------
        key : str
            Key or id.
        live : bool
            Whether to analyze an experiment that runs or is paused; a completed one shows its final analysis.
        """
        with reading(self.engine) as connection:
            stored = read_experiment(connection, self.organization_id, searchable(key))
            users = count_assignments(connection, self.organization_id, stored.id)
            final = latest_result(connection, self.organization_id, stored.id)
        if stored.status in {"running", "paused"} and live:
            analysis, reason = self._analysis_of(stored, None)
        elif final is not None:
            analysis, reason = final.analysis, ""
        else:
            analysis, reason = None, f"the experiment is {stored.status}"
        return describe_status(stored, users, analysis, reason)

    def close(self) -> None:
        """Let go of the store."""
        self.engine.dispose()

    def __enter__(self) -> ExperimentController:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _changed(self, agent_id: str) -> None:
        self._assigner.invalidate(agent_id)

    def _analyze(self, stored: StoredExperiment, as_of: datetime | None) -> Analysis:
        experiment = stored.experiment
        source = observed_source(reader(self.engine), observations, assignments, experiment, as_of=as_of)
        return check_plan(stored, analyze(experiment, source, as_of=as_of, now=self._clock()))

    def _analysis_of(self, stored: StoredExperiment, as_of: datetime | None) -> tuple[dict[str, Any] | None, str]:
        try:
            return self._analyze(stored, as_of).to_dict(), ""
        except DataError as error:
            return None, str(error)

    def _read_running(self, agent_id: str) -> Experiment | None:
        with reading(self.engine) as connection:
            found = read_running(connection, self.organization_id, searchable(agent_id))
        return found.experiment if found else None

    def _read_assignments(self, experiment_id: str, users: Sequence[str]) -> Mapping[str, str]:
        with reading(self.engine) as connection:
            return read_variants(connection, self.organization_id, experiment_id, users)

    def _write_assignments(self, experiment_id: str, chosen: Mapping[str, str], now: datetime) -> Mapping[str, str]:
        def write() -> Mapping[str, str]:
            with writing(self.engine) as connection:
                add_assignments(connection, self.organization_id, experiment_id, chosen, now=now)
                return read_variants(connection, self.organization_id, experiment_id, list(chosen))

        return with_retry(write)  # done twice it does the same: the first variant that was stored stays
