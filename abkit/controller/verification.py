"""Run a report again and say what differs: data, plan, versions, notebook, numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from abkit.bundled import bundled
from abkit.controller.targets import find_experiment
from abkit.errors import NotFoundError
from abkit.report.manifest import notebook_hash, plan_hash, read_run, versions
from abkit.report.notebook import execute, read_sentinel

TOLERANCE = 1e-9
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was.

    Parameters
    ----------
    kind : str
        ``data``, ``plan``, ``version``, ``notebook`` or ``number``.
    where : str
        What differs; of a number, its path in analysis.json.
    old, new
        In the report, and now.
    """

    kind: str
    where: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}: {_short(self.old)} -> {_short(self.new)}"


@dataclass(frozen=True, slots=True)
class Verification:
    """What running a report again showed.

    Parameters
    ----------
    tolerance : float
        Relative difference that numbers may have: 0 where all versions are those of the report.
    compared : int
        Values of analysis.json that were compared.
    """

    folder: Path
    tolerance: float
    compared: int
    differences: tuple[Difference, ...]

    @property
    def is_equal(self) -> bool:
        """Whether data, plan and every number are the same; versions and notebook may differ without changing any."""
        return not any(one.kind in {"data", "plan", "number"} for one in self.differences)

    def to_dict(self) -> dict[str, Any]:
        """Return what was found as JSON holds it."""
        found = [{"kind": one.kind, "where": one.where, "old": one.old, "new": one.new} for one in self.differences]
        facts = {"report": str(self.folder), "equal": self.is_equal, "tolerance": self.tolerance}
        return {**facts, "compared": self.compared, "differences": found}


def verify_report(folder: Path, *, timeout: float = 600.0) -> Verification:
    """Run the notebook of a report again with the parameters that its manifest recorded, and compare.

    Parameters
    ----------
    folder : Path
        Of one run, or ``latest``: with manifest.json and analysis.json.
    timeout : float
        Seconds for the notebook.

    Returns
    -------
    Verification
        Nothing is published, and the report is not touched.

    Raises
    ------
    NotFoundError
        No report there, or its experiment, data or notebook is gone.
    ReportError
        The notebook did not run to its end.
    """
    manifest, old = read_run(folder)
    try:
        name, parameters = manifest["notebook"]["name"], manifest["parameters"]
        notebook, experiment = bundled("notebooks", Path(name).name), find_experiment(parameters["experiment"])
        before = {
            "sha256": manifest["notebook"]["sha256"],
            "data": manifest["data_fingerprint"],
            **manifest["versions"],
        }
    except (LookupError, TypeError) as error:
        raise NotFoundError(f"{folder / 'manifest.json'} is not a manifest of abkit: {error}") from None
    with TemporaryDirectory(prefix="abkit-verify-") as work:
        left = read_sentinel(execute(notebook, Path(work) / "again.ipynb", parameters, timeout=timeout)) or {}
    new, now, planned = left["analysis"], versions(), plan_hash(experiment)
    changed = [
        Difference("version", each, before.get(each), now[each]) for each in now if before.get(each) != now[each]
    ]
    tolerance = TOLERANCE if changed else 0.0
    found = [
        *_differing("data", "fingerprint", before["data"], new["data"]["fingerprint"]),
        *_differing("plan", "hash", manifest.get("plan_hash", planned), planned),
        *_differing("notebook", name, before["sha256"], notebook_hash(notebook)),
        *changed,
        *(one for one in compare(old, new, tolerance) if one.where != "data.fingerprint"),
    ]
    return Verification(folder, tolerance, sum(1 for _ in _leaves(old)), tuple(found))


def _differing(kind: str, where: str, old: Any, new: Any) -> list[Difference]:
    return [] if old == new else [Difference(kind, where, old, new)]


def compare(old: Any, new: Any, tolerance: float = 0.0, path: str = "") -> Iterator[Difference]:
    """Yield every value that differs between two analyses, by its path.

    Examples
    --------
    >>> [str(one) for one in compare({"a": [1, {"b": 0.5}]}, {"a": [1, {"b": 0.25}]})]
    ['number: a[1].b: 0.5 -> 0.25']
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys([*old, *new]):
            yield from compare(
                old.get(name, "absent"), new.get(name, "absent"), tolerance, f"{path}.{name}".lstrip(".")
            )
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from compare(before, after, tolerance, f"{path}[{place}]")
    elif not _same(old, new, tolerance):
        yield Difference("number", path, old, new)


def _same(old: Any, new: Any, tolerance: float) -> bool:
    numeric = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (old, new))
    if numeric and tolerance:
        return math.isclose(old, new, rel_tol=tolerance, abs_tol=tolerance * 1e-3)
    return type(old) is type(new) and bool(old == new)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _leaves(part)
    else:
        yield value


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
