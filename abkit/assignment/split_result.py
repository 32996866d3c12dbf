"""What a simulated split says: frozen, complete, the same object for notebook, report, terminal and file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from abkit.display import Card, Displayed, Table
from abkit.errors import ParameterError
from abkit.named import Named, find
from abkit.stats.split import AlarmRates

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "abkit.split/1"
SYMBOLS = {"pass": "✓", "fail": "✕", "not_enough_data": "…", "not_run": "–"}
OUTCOMES = {"pass": "ready to launch", "fail": "not ready to launch", "not_enough_data": "too little to tell"}

Status = Literal["pass", "fail", "not_enough_data", "not_run"]


def percent(share: float) -> str:
    """Write a share with two decimals of a percent, or two digits where that says nothing.

    Examples
    --------
    >>> percent(0.50031), percent(0.5), percent(0.00002)
    ('50.03%', '50%', '0.002%')
    """
    return f"{round(100 * share, 2):g}%" if share == 0 or abs(share) >= 0.001 else f"{100 * share:.2g}%"


@dataclass(frozen=True, slots=True)
class SplitCheck(Displayed):
    """A verdict on the split, not an error."""

    name: str
    status: Status
    message: str
    p_value: float | None = None
    value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class VariantShare(Displayed):
    """One variant's share of the users, with the ranges in which 95 % and 99.9 % of sound splits lie."""

    name: str
    is_control: bool
    planned_share: float
    users: int
    share: float
    low_95: float
    high_95: float
    low_999: float
    high_999: float


@dataclass(frozen=True, slots=True)
class ArrivalDay(Displayed):
    """Who comes on a day: users never seen before, users who come back, and all users seen so far."""

    day: int
    new: int
    returning: int
    users: int


@dataclass(frozen=True, slots=True)
class Duration(Displayed):
    """When the planned size is reached; `expected_days` goes on at the last week's pace where the days are too few."""

    planned_users: int
    reached_day: int | None
    expected_days: int | None
    day_by_visits: int | None


@dataclass(frozen=True, slots=True)
class Launches(Displayed):
    """Real launches: the same users, hashed once for each of many experiment ids."""

    launches: int
    users: int
    alarms: int
    ratio: float
    p_value: float


@dataclass(frozen=True, slots=True)
class OtherSplit(Displayed):
    """How one other experiment splits the same users; `p_value` is the smaller of the two tests', corrected for all."""

    key: str
    users: int
    correlation: float | None
    chi_square_p: float | None
    p_value: float


@dataclass(frozen=True, slots=True)
class RampStep(Displayed):
    """One step of a ramp: who was there before it, and who would change variant if only the hash decided."""

    treatment_share: float
    first_day: int
    users_before: int
    moved_by_hash: int
    moved_out_of_treatment: int


@dataclass(frozen=True, slots=True)
class Ramp(Displayed):
    """What raising the traffic in steps does.

    Parameters
    ----------
    steps : tuple of RampStep
    assigned, moved : int
        Users whom the assigner asked its stored assignments for at every step, and how many of them ever changed.
    shares_after : dict
        Variant → its share of all users at the end: early users keep what they got when few got a treatment.
    """

    steps: tuple[RampStep, ...]
    assigned: int
    moved: int
    shares_after: dict[str, float]


@dataclass(frozen=True, slots=True)
class ClusterSplit(Displayed):
    """How groups of users (teams, organizations) fare: as units of the split, and when their members are split."""

    clusters: int
    largest_share: float
    effective_clusters: float
    icc: float
    design_effect: float
    effective_users: float
    mixed_clusters: int
    shares: dict[str, float]
    deviation: float


@dataclass(frozen=True, slots=True)
class Contamination(Displayed):
    """What follows when a share of users change id: people in two variants, expected and seen, and a smaller effect."""

    id_change_share: float
    expected_share: float
    users: int
    mixed_users: int
    attenuation: float
    extra_units: float


@dataclass(frozen=True, slots=True, repr=False)
class SplitSimulation(Displayed):
    """A traffic split before launch: shares, checks, and what they rest on.

    Parameters
    ----------
    experiment : dict
        Its `id`, `key` and `name`.
    settings : dict
        Everything the simulation was asked for; with the experiment and the users it gives the same result again.
    fingerprint : str
        Of the users' buckets: equal for the same users in the same order.
    users : int
        Distinct users.
    repeated : int
        Users who stood more than once among the ids that were given.
    variants : tuple of VariantShare
    checks : tuple of SplitCheck
    alarms : AlarmRates
        False alarms of the split check in sound experiments of this size.
    detectable_deviation : float
        Change of the control's share that the split check finds with 90 % power.
    arrivals, duration, launches, others, ramp, clusters, contamination
        As their classes say; None where it was not asked for or could not be done, and then a check says why.
    """

    experiment: dict[str, str]
    settings: dict[str, Any]
    fingerprint: str
    users: int
    repeated: int
    variants: Named[VariantShare]
    checks: Named[SplitCheck]
    alarms: AlarmRates
    detectable_deviation: float
    arrivals: tuple[ArrivalDay, ...]
    duration: Duration
    launches: Launches | None
    others: tuple[OtherSplit, ...]
    ramp: Ramp | None
    clusters: ClusterSplit | None
    contamination: Contamination | None

    @property
    def status(self) -> Status:
        """What all checks together say: fail, not_enough_data or pass; one that was not run says nothing."""
        found = {check.status for check in self.checks}
        return "fail" if "fail" in found else "not_enough_data" if "not_enough_data" in found else "pass"

    @property
    def failed(self) -> tuple[SplitCheck, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.status == "fail")

    @property
    def headline(self) -> str:
        """Key and outcome in one line."""
        status, said = self.status, OUTCOMES[self.status]
        names = [check.name for check in self.checks if check.status == status]
        told = f"{len(names)} checks pass, none fails" if status == "pass" else ", ".join(names)
        return f"{self.experiment['key']}: {SYMBOLS[status]} {said}: {told}"

    def check(self, name: str) -> SplitCheck:
        """Return a check by its name.

        Raises
        ------
        NotFoundError
            There is none.
        """
        return find(self.checks, name, "no check")

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data; what could not be computed is None."""
        said = {"schema": SCHEMA, "status": self.status, "headline": self.headline}
        return {**said, **Displayed.to_dict(self)}

    def to_json(self) -> str:
        """Return everything as JSON text."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)

    def to_frame(self, what: Literal["variants", "checks", "arrivals", "others"] = "variants") -> pd.DataFrame:
        """Return one row per variant, check, day or other experiment."""
        import pandas as pd

        if what not in ("variants", "checks", "arrivals", "others"):
            raise ParameterError(f"what: 'variants', 'checks', 'arrivals' or 'others', not {what!r}")
        return pd.DataFrame([asdict(row) for row in getattr(self, what)])

    def _card(self) -> Card:
        alarms = f"{percent(self.alarms.once)} judged once, {percent(self.alarms.daily)} looked at every day"
        failed = self.failed
        lines = [f"{SYMBOLS['fail']} {check.name}: {check.message}" for check in failed[:5]]
        lines += [self.check("duration").message] if "duration" not in [check.name for check in failed] else []
        lines += [f"False alarms of a sound split: {alarms}."]
        shares = [
            (one.name, f"{one.users:,}", percent(one.share), percent(one.planned_share),
             f"{percent(one.low_95)} to {percent(one.high_95)}")
            for one in self.variants
        ]  # fmt: skip
        header = ("variant", "users", "share", "planned", "95 % of sound splits")
        checks = [(check.name, f"{SYMBOLS[check.status]} {check.status.replace('_', ' ')}", check.message)
                  for check in self.checks]  # fmt: skip
        tables = [Table(header, shares, "Shares"), Table(("check", "status", "what was seen"), checks, "Checks")]
        return Card(self.headline, lines, tables)
