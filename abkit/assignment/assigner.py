"""Assignment that sticks: the hash proposes, the store remembers, a cache answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from abkit.assignment.hashing import Split, text_of, texts_of
from abkit.display import Card, Displayed, Table
from abkit.errors import ParameterError, suggest
from abkit.models import Experiment

_CHUNK = 10_000

ReadRunning = Callable[[str], Experiment | None]
ReadAssignments = Callable[[str, Sequence[str]], Mapping[str, str]]
WriteAssignments = Callable[[str, Mapping[str, str], datetime], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Assignment(Displayed):
    """What a user gets: a variant of a running experiment, or nothing (both None)."""

    experiment_id: str | None = None
    variant: str | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BatchAssignment(Displayed):
    """What many users get, in their order.

    Parameters
    ----------
    experiment_id : str or None
        None where nothing runs.
    names : tuple of str
        The variants there are.
    codes : array of int
        For each user, the place of the variant in `names`.
    """

    experiment_id: str | None
    names: tuple[str, ...]
    codes: NDArray[np.uint8]

    @property
    def variant(self) -> NDArray[np.object_]:
        """For each user, the variant's name, or None where nothing runs."""
        return np.array(self.names or (None,), dtype=object)[self.codes]

    def __len__(self) -> int:
        return len(self.codes)

    def to_dict(self) -> dict[str, Any]:
        """Return experiment and number of users by variant; `variant` has what each user gets."""
        counts = np.bincount(self.codes, minlength=len(self.names)).tolist() if self.names else ()
        variants = dict(zip(self.names, counts, strict=True))
        return {"experiment_id": self.experiment_id, "users": len(self), "variants": variants}

    def _records(self) -> list[dict[str, Any]]:
        return [{"variant": name, "users": users} for name, users in self.to_dict()["variants"].items()]

    def _card(self) -> Card:
        title = f"{len(self):,} users" if self.names else f"{len(self):,} users, and no experiment runs"
        rows = [(one["variant"], f"{one['users']:,}") for one in self._records()]
        return Card(title, tables=[Table(("variant", "users"), rows)] if rows else [])


NOTHING: Final = Assignment()


@dataclass(slots=True)
class _Agent:
    """What is known of one agent until `expires`."""

    expires: float
    split: Split | None
    by_name: dict[str, Assignment]
    users: dict[str, Assignment]


class TrafficAssigner:
    """Gives users the variants of an agent's running experiment.

    Parameters
    ----------
    read_running : callable
        Agent id → its running experiment, or None.
    read_assignments : callable
        Experiment id, user ids → the stored variants, by user id.
    write_assignments : callable
        Experiment id, variants by user id, time → the stored variants of all of them; whatever was stored before stays,
        so that of two racing first requests both see the same one.
    clock : callable
        The time that new assignments bear.
    time_to_live : float
        Seconds for which it may go unnoticed that another process started or paused an experiment.
    timer : callable
        Seconds that only grow.
    remembered : int
        Users kept in memory per agent.

    Examples
    --------
    >>> from datetime import UTC
    >>> from abkit.models import Mean, Variant
    >>> one = Experiment("demo", [Variant("a", 50, is_control=True), Variant("b", 50)], Mean("score"), id="e1")
    >>> stored: dict[str, str] = {}
    >>> assigner = TrafficAssigner(
    ...     lambda agent_id: one if agent_id == "default" else None,
    ...     lambda experiment_id, users: {u: stored[u] for u in users if u in stored},
    ...     lambda experiment_id, variants, at: {u: stored.setdefault(u, name) for u, name in variants.items()},
    ...     clock=lambda: datetime.now(UTC),
    ... )
    >>> assigner.assign("default", "user-7")
    Assignment(experiment_id='e1', variant='b')
    >>> assigner.assign("another", "user-7")
    Assignment(experiment_id=None, variant=None)
    """

    def __init__(
        self,
        read_running: ReadRunning,
        read_assignments: ReadAssignments,
        write_assignments: WriteAssignments,
        *,
        clock: Callable[[], datetime],
        time_to_live: float = 5.0,
        timer: Callable[[], float] = time.monotonic,
        remembered: int = 100_000,
    ) -> None:
        self._read_running, self._read_assignments = read_running, read_assignments
        self._write_assignments = write_assignments
        self._clock, self._timer = clock, timer
        self._time_to_live, self._remembered = time_to_live, remembered
        self._agents: dict[str, _Agent] = {}
        self._invalidations = 0

    def assign(self, agent_id: str, user_id: str) -> Assignment:
        """Return what a user gets; the first time, remember it in the store.

        Raises
        ------
        ParameterError
            The user id is not one.
        """
        agent = self._agents.get(agent_id)
        if agent is None or self._timer() >= agent.expires:
            agent = self._read(agent_id)
        found = agent.users.get(user_id) if type(user_id) is str else None
        return found or self._first(agent, text_of(user_id))

    def assign_batch(self, agent_id: str, users: Any, *, column: str = "user_id") -> BatchAssignment:
        """Return what many users get, as `assign` would one by one.

        Parameters
        ----------
        agent_id : str
        users : sequence, array or frame
            A frame has the ids in `column`.
        column : str

        Raises
        ------
        ParameterError
            Some id is not one, or the frame has no such column.
        """
        ids = _column_of(users, column)
        split = self._read(agent_id).split
        if split is None:
            return BatchAssignment(None, (), np.zeros(len(ids), np.uint8))
        names = list(split.names)
        codes = np.empty(len(ids), np.uint8)
        for start, part in _parts(ids):
            codes[start : start + len(part)] = self._stored_codes(split, part, names)
        return BatchAssignment(split.experiment_id, tuple(names), codes)

    def invalidate(self, agent_id: str) -> None:
        """Forget what is known of an agent: its experiment was started, paused, resumed or ended."""
        self._invalidations += 1
        self._agents.pop(agent_id, None)

    def _read(self, agent_id: str) -> _Agent:
        before, known = self._invalidations, self._agents.get(agent_id)
        experiment = self._read_running(agent_id)
        expires = self._timer() + self._time_to_live
        if experiment is None:
            agent = _Agent(expires, None, {}, {})
        else:
            split = Split.of(experiment)
            by_name = {name: Assignment(experiment.id, name) for name in split.names}
            same = known is not None and known.split is not None and known.split.experiment_id == experiment.id
            agent = _Agent(expires, split, by_name, known.users if same and known is not None else {})
        if before == self._invalidations:  # else what was read may be older than the change that was told about
            self._agents[agent_id] = agent
        return agent

    def _first(self, agent: _Agent, user_id: str) -> Assignment:
        split = agent.split
        if split is None:
            return NOTHING
        stored = self._read_assignments(split.experiment_id, [user_id])
        if user_id not in stored:
            proposed = {user_id: split.variant(user_id)}
            stored = self._write_assignments(split.experiment_id, proposed, self._clock())
        name = stored[user_id]
        found = agent.by_name.setdefault(name, Assignment(split.experiment_id, name))
        if len(agent.users) >= self._remembered:
            agent.users.clear()
        agent.users[user_id] = found
        return found

    def _stored_codes(self, split: Split, part: list[str], names: list[str]) -> NDArray[np.uint8]:
        codes = split.codes(part)
        stored = dict(self._read_assignments(split.experiment_id, part))
        proposed = {user: names[code] for user, code in zip(part, codes, strict=True) if user not in stored}
        if proposed:
            stored.update(self._write_assignments(split.experiment_id, proposed, self._clock()))
        names += sorted(set(stored.values()).difference(names))
        places = {name: place for place, name in enumerate(names)}
        return np.array([places[stored[user]] for user in part], np.uint8)


def _column_of(users: Any, column: str) -> Any:
    names = getattr(users, "column_names", getattr(users, "columns", None))  # Arrow tables keep columns under `columns`
    if names is None:
        return users if hasattr(users, "__len__") and hasattr(users, "__getitem__") else list(users)
    if column not in list(names):
        raise ParameterError(f"the frame has no column {column!r}{suggest(column, map(str, names))}")
    return users[column]


def _parts(ids: Any) -> Iterator[tuple[int, list[str]]]:
    for start, texts in texts_of(ids, _CHUNK):
        yield start, [text_of(text) for text in texts.to_pylist()]
