"""What becomes of units that were seen in more than one variant of a randomized experiment."""

from __future__ import annotations

from abkit.collectors.census import Census
from abkit.collectors.engines import Engine
from abkit.collectors.mixed_query import count_mixed, in_first_variant
from abkit.collectors.query import Rows
from abkit.errors import DataError
from abkit.snapshot import MixedUnits


def settle_units(engine: Engine, rows: Rows, census: Census, where: str) -> Rows:
    """Return the rows that count under the policy of the data; statements leave out units that are mixed in them.

    Raises
    ------
    DataError
        There are such units and the policy is "error".
    """
    values = list(census.values.values())
    if rows.data.units_in_two_variants == "first":
        return rows.passing(in_first_variant(rows, values))
    if rows.data.units_in_two_variants == "error":
        read = engine.rows(count_mixed(rows, values))
        if read:
            by_variant = ", ".join(
                f"{name} {row['units']:,}"
                for name, value in census.values.items()
                for row in read
                if row["variant"] == value
            )
            raise DataError(
                f"{sum(row['once'] for row in read):,} units of {where} were seen in more than one variant "
                f"({by_variant}), for example {min(row['example'] for row in read)!r}; mend the data, or say what "
                "becomes of them: units_in_two_variants: exclude, or first"
            )
    return rows


def find_mixed_units(engine: Engine, rows: Rows, census: Census) -> MixedUnits:
    """Count the units of all rows, as they were before any policy, that were seen in more than one variant."""
    read = {row["variant"]: row for row in engine.rows(count_mixed(rows, list(census.values.values())))}
    seen = {name: int(read[value]["units"]) if value in read else 0 for name, value in census.values.items()}
    first = {name: int(read[value]["first"]) if value in read else 0 for name, value in census.values.items()}
    total = sum(int(row["once"]) for row in read.values())
    return MixedUnits(total, seen, first if rows.data.units_in_two_variants == "first" else {})
