"""What abkit says about segments: whether effects differ is never read off two separate tests."""

from __future__ import annotations

from abkit.analyzer.breakdown import InteractionResult, SegmentComparison, SegmentResult
from abkit.analyzer.numbers import count, p_value


def interaction_text(column: str, one: SegmentComparison, test: InteractionResult, tests: int, inference: str) -> str:
    """Say whether the effect was shown to differ between segments, and what follows for reading them."""
    what = f"the effect of {one.variant!r} on {one.metric!r}"
    if test.p_value_adjusted is None:
        return f"Whether {what} differs by {column!r} cannot be tested: {test.reason}."
    shown = p_value(test.p_value_adjusted)
    p = f"interaction p {shown}" if shown.startswith("<") else f"interaction p = {shown}"
    counted = f"{p} over {test.segments} segments{f', adjusted for {tests} tests' if tests > 1 else ''}"
    once = "" if inference == "fixed" else " The test is meant for one look; looked at repeatedly it alarms too often."
    if test.is_significant:
        return (
            f"{what[0].upper()}{what[1:]} differs by {column!r} ({counted}): the overall effect is an average that no "
            f"segment has to have.{once}"
        )
    return (
        f"The data do not show that {what} differs by {column!r} ({counted}), nor that it is the same everywhere: that "
        "takes far more units. One segment that is significant beside one that is not does not make them "
        f"different; the overall effect stays what to act on.{once}"
    )


def left_out_text(result: SegmentResult) -> str:
    """Say which units are in no segment that is shown; empty where there are none."""
    parts = []
    if result.changed_units:
        parts.append(f"{count(result.changed_units)} units changed their {result.column!r} and are in no segment")
    if result.other_units:
        values = "value" if result.other_values == 1 else "values"
        parts.append(f"{count(result.other_units)} units have one of {count(result.other_values)} rarer {values}")
    small = sum(one.status == "not_enough_data" for one in result.segments)
    if small:
        parts.append(f"{count(small)} of {count(len(result.segments))} segments have too few units to be compared")
    text = "; ".join(parts)
    return f"{text}." if text else ""
