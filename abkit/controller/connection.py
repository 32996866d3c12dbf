"""Open a store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from abkit.controller.experiments import ExperimentController
from abkit.controller.transitions import utc_now
from abkit.store.engine import open_engine
from abkit.store.schema import upgrade


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
    >>> from abkit.models import Experiment, Mean, Variant
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
