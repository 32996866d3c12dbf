"""The life of an experiment: five statuses and the one table of what may follow what."""

from __future__ import annotations

from typing import Literal

from abkit.errors import DefinitionError

Status = Literal["draft", "running", "paused", "completed", "cancelled"]
Action = Literal["start", "pause", "resume", "complete", "cancel"]

TRANSITIONS: dict[tuple[Status, Action], Status] = {
    ("draft", "start"): "running",
    ("draft", "cancel"): "cancelled",
    ("running", "pause"): "paused",
    ("running", "complete"): "completed",
    ("running", "cancel"): "cancelled",
    ("paused", "resume"): "running",
    ("paused", "complete"): "completed",
    ("paused", "cancel"): "cancelled",
}


def transition(status: Status, action: Action) -> Status:
    """Return the status that follows.

    Parameters
    ----------
    status : {"draft", "running", "paused", "completed", "cancelled"}
        Where the experiment is.
    action : {"start", "pause", "resume", "complete", "cancel"}
        What is asked for.

    Returns
    -------
    str
        Where the experiment goes.

    Raises
    ------
    DefinitionError
        The action is not possible from that status.

    Examples
    --------
    >>> transition("draft", "start")
    'running'
    """
    try:
        return TRANSITIONS[status, action]
    except KeyError:
        possible = [name for start, name in TRANSITIONS if start == status]
        way_out = f"possible now: {', '.join(possible)}" if possible else "it has ended; create a new experiment"
        raise DefinitionError(f"cannot {action} an experiment that is {status}; {way_out}") from None
