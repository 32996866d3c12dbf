"""What can go wrong, and the exit code each kind of failure has on the command line.

::

    AbkitError                       1   something that abkit did not foresee
    ├── DefinitionError              2   an experiment, metric or plan that cannot be run
    ├── ParameterError               2   a report parameter or option that does not exist or does not fit
    ├── ConflictError                2   a change that does not fit what is stored: lost race, wrong status, taken key
    │   └── StaleError               2   a change that was prepared on an older version of what is stored
    ├── StoreError                   1   a store that cannot be opened, reached, upgraded or written
    ├── DataError                    3   data that cannot be analyzed as it is
    │   └── NotFoundError            3   no such experiment, file, column, table or row
    └── ReportError                  1   a report that was not published
        ├── NotebookError            5   a cell of the notebook failed
        ├── TimeLimitError           6   the notebook ran longer than allowed
        ├── KernelDiedError          7   the notebook's process ended by itself
        └── LockedError             75   another process renders the same experiment

Every message says what is wrong, why it matters where that is not plain, and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class AbkitError(Exception):
    """Root of every failure that abkit raises on purpose."""

    exit_code = 1


class DefinitionError(AbkitError):
    """A definition that cannot be run; `problems` lists everything that is wrong with it."""

    exit_code = 2

    def __init__(self, what: str, problems: Sequence[str] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join([what, *(f"  - {problem}" for problem in self.problems)]))


class ParameterError(AbkitError, ValueError):
    """A parameter or option that does not exist or does not fit; also a ValueError, for those who expect one."""

    exit_code = 2


class ConflictError(AbkitError):
    """A change that does not fit what is stored now: a lost race, a wrong status, a key that is taken."""

    exit_code = 2


class StaleError(ConflictError):
    """A change that was prepared on an older version of what is stored."""


class StoreError(AbkitError):
    """A store that cannot be opened, reached, upgraded or written; what was stored before is untouched."""


class DataError(AbkitError):
    """Data that cannot be analyzed as it is."""

    exit_code = 3


class NotFoundError(DataError):
    """No such experiment, file, column, table or row."""


class ReportError(AbkitError):
    """A report that was not published; the previous one is untouched."""


class NotebookError(ReportError):
    """A cell of the notebook failed, or the notebook did not run to its end."""

    exit_code = 5


class TimeLimitError(ReportError):
    """The notebook ran longer than allowed."""

    exit_code = 6


class KernelDiedError(ReportError):
    """The notebook's process ended by itself."""

    exit_code = 7


class LockedError(ReportError):
    """Another process renders the same experiment."""

    exit_code = 75


def suggest(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the known word nearest to `word`, else what there is.

    Parameters
    ----------
    word : str
        What the person wrote.
    known : iterable of str
        What would have been right.

    Returns
    -------
    str
        The end of an error message.

    Examples
    --------
    >>> suggest("latency", ["latency_s", "cost_usd"])
    "; did you mean 'latency_s'?"
    >>> suggest("zzz", ["a", "b"])
    '; known: a, b'
    """
    names = [str(name) for name in known]
    near = difflib.get_close_matches(word, names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    shown = ", ".join(sorted(names)[:12]) + (", ..." if len(names) > 12 else "")
    return f"; known: {shown}" if names else ""
