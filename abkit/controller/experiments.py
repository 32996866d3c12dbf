"""The running side of abkit: experiments in a store, from draft to shipped, in one call for each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from abkit.analyzer import Analysis
from abkit.assignment import Assignment, BatchAssignment, TrafficAssigner
from abkit.collectors.observation_metrics import VariantMetrics
from abkit.collectors.observation_writes import ObservationTables
from abkit.collectors.observations import MetricsCollector
from abkit.collectors.observed import observed_source
from abkit.collectors.recorded import Recorded
from abkit.controller.analysis import analyze, parse_time
from abkit.controller.exposure import Exposure
from abkit.controller.lifecycle import Lifecycle
from abkit.controller.status import ExperimentStatus, check_plan, describe_status
from abkit.controller.transitions import utc_now
from abkit.errors import DataError
from abkit.store.assignments import count_assignments
from abkit.store.engine import reader, reading, with_retry, writing
from abkit.store.observation_tables import key_pieces, key_runs, observations, quarantine, streams
from abkit.store.records import StoredExperiment
from abkit.store.repository import read_experiment
from abkit.store.results import latest_result
from abkit.store.tables import assignments
from abkit.store.text import searchable

if TYPE_CHECKING:
    from abkit.analyzer.robustness import Robustness
    from abkit.report.render import Report


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
        exposure = Exposure(engine, organization_id, clock)
        self._assigner = TrafficAssigner(
            exposure.running, exposure.given, exposure.give, clock=clock, time_to_live=time_to_live
        )
        super().__init__(
            engine, organization_id, clock=clock, analysis_of=self._analyzed, changed=self._assigner.invalidate
        )
        self._collector = MetricsCollector(
            organization_id,
            ObservationTables(streams, observations, key_runs, key_pieces, quarantine),
            writing=partial(writing, engine),
            reading=partial(reading, engine),
            assign=exposure.of_observed,
            clock=clock,
            attempt=with_retry,
            overlaps=engine.dialect.name == "postgresql",
        )
        self._ids: dict[str, str] = {}

    def __getitem__(self, key: str) -> StoredExperiment:
        return self.get(key)

    def _ipython_key_completions_(self) -> Sequence[str]:
        return [stored.key for stored in self.list(limit=200).items]

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

    def record(
        self,
        experiment_id: str,
        user_id: str,
        metric_type: str,
        value: float,
        variant_id: str | None = None,
        observed_at: datetime | None = None,
        event_id: str | None = None,
    ) -> None:
        """Record one observation; it is stored with others within a second, at `flush` or at `close`.

        Parameters
        ----------
        experiment_id : str
            Id or key.
        user_id, metric_type : str
        value : float
        variant_id : str, optional
            The variant the user saw; another one than the user's is refused, and counted.
        observed_at : datetime, optional
            Default: now.
        event_id : str, optional
            The same id is stored once, however often it is sent.

        Raises
        ------
        NotFoundError
            No such experiment.
        ParameterError
            It cannot be an observation.
        """
        found = self._id_of(experiment_id)
        self._collector.record(found, user_id, metric_type, value, variant_id, observed_at, event_id)

    def record_many(
        self,
        rows: Any,
        *,
        experiment_id: str | None = None,
        reject_file: str | PathLike[str] | None = None,
        max_errors: int | None = None,
        as_new: bool = False,
    ) -> Recorded:
        """Record many observations, each once, and return what became of them.

        Parameters
        ----------
        rows : path, frame, or iterable of mappings
            With the fields of `record`. Paths: CSV or JSON lines, plain or gzipped.
        experiment_id : str, optional
            Id or key, for rows that name none; rows name experiments by their ids.
        reject_file, max_errors, as_new
            As in `MetricsCollector.record_many`.

        Raises
        ------
        DataError
            There were more bad rows than `max_errors`, or the file cannot be read.
        NotFoundError
            No such file or experiment.
        """
        return self._collector.record_many(
            rows,
            experiment_id=None if experiment_id is None else self._id_of(experiment_id),
            reject_file=reject_file,
            max_errors=max_errors,
            as_new=as_new,
        )

    def flush(self) -> Recorded:
        """Store what `record` keeps in memory, and return what became of all that it was given."""
        return self._collector.flush()

    def daily_metrics(self, key: str, *, cumulative: bool = False) -> Sequence[VariantMetrics]:
        """Return what was recorded by variant, metric and day (UTC): on that day, or up to its end."""
        read = self._collector.cumulative_metrics if cumulative else self._collector.daily_metrics
        self.flush()
        return read(self._id_of(key))

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

    def robustness(self, key: str, *, as_of: str | datetime | None = None) -> Robustness:
        """Ask how easily the verdict on an experiment would have been another one; arguments as for `analyze`."""
        from abkit.controller.robustness import robustness_stored

        return robustness_stored(self, key, as_of, self._clock())

    def report(
        self, key: str, *, out: str | PathLike[str] = "reports", as_of: str = "", timeout: float = 600
    ) -> Report:
        """Render the report of an experiment into `out/<key>/<run id>/` and point `latest` at it.

        Parameters
        ----------
        key : str
            Key or id.
        out : path
            Folder of all reports.
        as_of : str
            ISO date or time up to which observations count.
        timeout : float
            Seconds for the notebook.

        Raises
        ------
        StoreError
            The store is in memory, where the notebook's process cannot read it.
        ReportError
            Nothing was published.
        """
        from abkit.controller.reporting import report_stored

        return report_stored(self, key, Path(out), as_of=as_of, timeout=timeout, now=self._clock())

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
            analysis, reason = self._analyzed(stored, None)
        elif final is not None:
            analysis, reason = final.analysis, ""
        else:
            analysis, reason = None, f"the experiment is {stored.status}"
        return describe_status(stored, users, analysis, reason)

    def close(self) -> None:
        """Store what waits in memory, and let go of the store."""
        try:
            self._collector.close()
        finally:
            self.engine.dispose()

    def __enter__(self) -> ExperimentController:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _analyze(self, stored: StoredExperiment, as_of: datetime | None) -> Analysis:
        self.flush()
        experiment = stored.experiment
        source = observed_source(reader(self.engine), observations, assignments, experiment, as_of=as_of)
        return check_plan(stored, analyze(experiment, source, as_of=as_of, now=self._clock(), details=True))

    def _analyzed(self, stored: StoredExperiment, as_of: datetime | None) -> tuple[dict[str, Any] | None, str]:
        try:
            return self._analyze(stored, as_of).to_dict(), ""
        except DataError as error:
            return None, str(error)

    def _id_of(self, key: str) -> str:
        """The id of an experiment; it never changes, and no experiment is ever removed."""
        if key not in self._ids:
            self._ids[key] = self.get(key).id
        return self._ids[key]
