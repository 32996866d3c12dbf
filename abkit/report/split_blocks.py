"""The blocks of a pre-launch report, each a piece of HTML whose every word from outside is escaped."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from markupsafe import Markup

from abkit import __version__, plots
from abkit.analyzer import numbers
from abkit.analyzer.render import html_table
from abkit.assignment.split_result import OUTCOMES, SYMBOLS, SplitCheck, SplitSimulation, percent
from abkit.report.page import Block, figure, leave, section

_QUESTIONS = {
    "assigner": "Is it the assigner that will run?",
    "shares": "Does each variant get its planned share?",
    "buckets": "Are users spread evenly over the 10,000 buckets?",
    "order": "Is the split as random over time as it should be?",
    "srm": "Would the split check raise false alarms?",
    "independence": "Is it independent of other experiments?",
    "ramp": "Does anybody change variant while traffic is raised?",
    "clusters": "Are there enough groups of users, of like size?",
    "contamination": "Do changed ids put people into two variants?",
    "duration": "Is the planned size reached in time?",
}
_CLASSES = {"pass": "ship", "fail": "invalid", "not_enough_data": "keep_running"}
_FAILURES = {
    "assigner": "Another assigner.",
    "shares": "Shares off the plan.",
    "buckets": "Uneven buckets.",
    "order": "Not random over time.",
    "srm": "Not random from launch to launch.",
    "independence": "Depends on another experiment.",
    "ramp": "Users change variant.",
    "clusters": "Uneven clusters.",
    "contamination": "Too many people in two variants.",
    "duration": "Too few users.",
}
_IDS = {"own": "of your own", "uuid": "made up (UUIDs)", "integer": "made up (numbers)", "email": "made up (e-mails)"}


def split_strip(simulation: SplitSimulation, run_id: str = "") -> Block:
    """Say what this is, and what it was asked."""
    arrival = simulation.settings["arrival"]
    facts = [
        ("experiment", simulation.experiment["key"]),
        ("users", numbers.count(simulation.users)),
        ("ids", _IDS[simulation.settings["ids"]]),
        ("days", numbers.count(simulation.settings["days"])),
        ("arrival", arrival if isinstance(arrival, str) else "as given"),
        ("seed", str(simulation.settings["seed"])),
        ("run", run_id or "by hand"),
        ("abkit", __version__),
    ]
    items = Markup("").join(Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(*fact) for fact in facts)
    title = f"{simulation.experiment['name']}: before launch"
    return Block(Markup('<header><h1>{}</h1><dl class="strip">{}</dl></header>').format(title, items))


def split_card(simulation: SplitSimulation) -> Block:
    """Say whether the experiment may start, and three numbers."""
    status = simulation.status
    title = f"{SYMBOLS[status]} {OUTCOMES[status].capitalize()}"
    items = Markup("").join(
        Markup("<li><strong>{}</strong> {}</li>").format(
            _FAILURES[check.name] if status == "fail" else _QUESTIONS[check.name], _sentence(check)
        )
        for check in simulation.checks
        if check.status == status
    )
    lead = Markup("<ul>{}</ul>").format(items)
    if status == "pass":
        lead = Markup('<p class="lead">{}</p>').format(_reassurance(simulation))
    tiles = Markup("").join(
        Markup(
            '<div><span class="label">{}</span><span class="figure">{}</span><span class="note">{}</span></div>'
        ).format(*tile)
        for tile in (_share_tile(simulation), _alarm_tile(simulation), _size_tile(simulation))
    )
    return Block(
        Markup('<section class="verdict {}"><h2>{}</h2>{}<div class="tiles">{}</div></section>').format(
            _CLASSES[status], title, lead, tiles
        )
    )


def _reassurance(simulation: SplitSimulation) -> str:
    users, done = numbers.count(simulation.users), sum(check.status == "pass" for check in simulation.checks)
    open_questions = [check.name for check in simulation.checks if check.status != "pass"]
    rest = f"; not judged: {', '.join(open_questions)}" if open_questions else ""
    return f"The split of {users} users is as planned: {done} checks pass, none fails{rest}."


def _share_tile(simulation: SplitSimulation) -> tuple[str, str, str]:
    worst = max(simulation.variants, key=lambda one: abs(one.share - one.planned_share))
    off = numbers.points(worst.share - worst.planned_share, 2)
    chance = numbers.points((worst.high_999 - worst.low_999) / 2, 2, signed=False)
    note = f"{worst.name}: {numbers.percent(worst.share, 2)}; chance explains up to {chance}"
    return "largest deviation of a share", off, note


def _alarm_tile(simulation: SplitSimulation) -> tuple[str, str, str]:
    alarms = simulation.alarms
    note = f"{numbers.percent(alarms.daily, 2)} when looked at on each of {simulation.settings['days']} days"
    return "false alarms of the split check", numbers.percent(alarms.once, 2), note


def _size_tile(simulation: SplitSimulation) -> tuple[str, str, str]:
    duration = simulation.duration
    note = f"{numbers.count(duration.planned_users)} users planned"
    if duration.reached_day is not None:
        return "planned size reached", f"day {duration.reached_day}", note
    expected = "never" if duration.expected_days is None else f"about day {numbers.count(duration.expected_days)}"
    return "planned size reached", expected, f"{note}, {numbers.count(simulation.users)} come"


def _sentence(check: SplitCheck) -> str:
    return f"{check.message[:1].upper()}{check.message[1:]}."


def split_checks(simulation: SplitSimulation) -> Block:
    """Show every check with what it saw."""
    rows = [
        [_QUESTIONS[check.name], f"{SYMBOLS[check.status]} {check.status.replace('_', ' ')}", _sentence(check)]
        for check in simulation.checks
    ]
    table = html_table(("question", "answer", "what was seen"), rows, caption="Checks of the split")
    note = Markup(
        "<p>Shares, buckets, order, false alarms, independence and clusters are judged by statistical tests at 0.001 "
        "(or the plan's threshold). At 0.001, at most 6 of 1,000 sound splits fail any of them.</p>"
    )
    return section("Can it be launched like this?", table, note)


def split_shares(simulation: SplitSimulation) -> Block:
    """Show the shares beside the ranges of sound splits."""
    rows = [
        [
            f"{one.name} (control)" if one.is_control else one.name,
            numbers.count(one.users),
            numbers.percent(one.planned_share, 2),
            numbers.percent(one.share, 2),
            _range(one.low_95, one.high_95),
            _range(one.low_999, one.high_999),
        ]
        for one in simulation.variants
    ]
    header = ("variant", "users", "planned", "share", "95 % of sound splits", "99.9 % of sound splits")
    table = html_table(header, rows, caption="Shares by variant")
    drawn = figure(
        lambda ax: plots.split(simulation, ax),
        plots.describe_split(simulation),
        "● share within chance, ✖ share outside of it; thick bars hold 95 % of sound splits, thin ones 99.9 %",
        table,
        len(rows),
    )
    return section("Shares", drawn)


def _range(low: float, high: float) -> str:
    return f"{numbers.percent(low, 2)} to {numbers.percent(high, 2)}"


def split_alarms(simulation: SplitSimulation) -> Block:
    """Show how often the split check would be wrong, and what it would find."""
    alarms, threshold = simulation.alarms, simulation.settings["threshold"]
    rows = [
        ["once, at the end", numbers.percent(alarms.once, 2)],
        ["at the end of every day", numbers.percent(alarms.daily, 2)],
        ["every day, by the always-valid test", numbers.percent(alarms.always_valid, 2)],
    ]
    found = numbers.number(100 * simulation.detectable_deviation, 2)
    note = Markup(
        "<p>With {} users the check finds a share that is off by {} percentage points in nine of ten cases.</p>"
    )
    caption = f"False alarms at p < {threshold:g} in {numbers.count(alarms.launches)} simulated sound experiments"
    table = html_table(("the split is looked at", "false alarms"), rows, caption=caption)
    return section("The split check itself", table, note.format(numbers.count(simulation.users), found))


def split_arrivals(simulation: SplitSimulation) -> Block:
    """Show who comes when, and the day of the planned size."""
    rows = [
        [str(day.day), numbers.count(day.new), numbers.count(day.returning), numbers.count(day.users)]
        for day in simulation.arrivals
    ]
    table = html_table(("day", "new users", "returning users", "users so far"), rows, caption="Arrivals")
    said = Markup("<p>{}</p>").format(_sentence(simulation.check("duration")))
    caption = "Users up to the end of each day: a user who comes back adds nothing to the size"
    drawn = figure(lambda ax: plots.arrivals(simulation, ax), plots.describe_arrivals(simulation), caption, table, 5)
    return section("Time to the planned size", said, drawn)


def split_others(simulation: SplitSimulation) -> Block:
    """Show how the split relates to those of other experiments."""
    rows = [
        [
            other.key,
            numbers.count(other.users),
            numbers.number(other.correlation, 4, signed=True),
            numbers.p_value(other.chi_square_p),
            numbers.p_value(other.p_value),
        ]
        for other in simulation.others
    ]
    header = ("experiment", "users compared", "correlation of buckets", "p of the variants' table", "corrected p")
    said = Markup("<p>{}</p>").format(_sentence(simulation.check("independence")))
    return section("Other experiments", said, html_table(header, rows, caption="Independence, pair by pair"))


def split_ramp(simulation: SplitSimulation) -> Block:
    """Show what raising the traffic in steps does."""
    said = Markup("<p>{}</p>").format(_sentence(simulation.check("ramp")))
    ramp = simulation.ramp
    if ramp is None:
        return section("Raising the traffic", said)
    rows = [
        [
            percent(step.treatment_share),
            str(step.first_day),
            numbers.count(step.users_before),
            numbers.count(step.moved_by_hash),
            numbers.count(step.moved_out_of_treatment),
        ]
        for step in ramp.steps
    ]
    header = (
        "traffic of treatments",
        "from day",
        "users before",
        "would move by hash alone",
        "of them out of a treatment",
    )
    shares = [
        [one.name, numbers.percent(one.planned_share, 2), numbers.percent(ramp.shares_after[one.name], 2)]
        for one in simulation.variants
    ]
    return section(
        "Raising the traffic",
        said,
        html_table(header, rows, caption="Steps of equally many days"),
        html_table(("variant", "planned", "of all users at the end"), shares, caption="Shares after the ramp"),
    )


def split_risks(simulation: SplitSimulation) -> Block:
    """Say what clusters and changed ids cost."""
    texts = [_sentence(simulation.check(name)) for name in ("clusters", "contamination")]
    said = Markup("").join(Markup("<p>{}</p>").format(text) for text in texts)
    return section("Clusters and changed ids", said)


def reproduce_split(simulation: SplitSimulation, command: str) -> Block:
    """Say what gives the same numbers again."""
    rows = [
        ["command", command],
        ["fingerprint of the users", simulation.fingerprint],
        ["experiment id", simulation.experiment["id"]],
        ["abkit", __version__],
        ["numbers", "simulation.json beside this file"],
    ]
    return section("How to reproduce", html_table(("what", "value"), rows, caption="What gives these numbers again"))


def simulate_command(target: str, options: Mapping[str, object]) -> str:
    """Write the command that simulates the same again; options without a value are left out.

    Examples
    --------
    >>> simulate_command("my test.yml", {"users": 1000, "ids": "", "id_change_share": 0.1})
    "abkit simulate 'my test.yml' --users 1000 --id-change-share 0.1 --report"
    """
    given = [f"--{name.replace('_', '-')} {shlex.quote(str(value))}" for name, value in options.items() if value]
    return " ".join([f"abkit simulate {shlex.quote(target)}", *given, "--report"])


def sentinel(simulation: SplitSimulation, run_id: str) -> None:
    """Mark the end of a pre-launch report: without it nothing is published. Carries the simulation."""
    leave("simulation", simulation.to_dict(), run_id)
