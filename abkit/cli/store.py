"""The commands for experiments in a store: each is one call of the controller, printed as text or JSON."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abkit.cli.keys import app as keys
from abkit.cli.options import DEFAULT_STORE, Actor, Json, Organization, Store, opened, print_json, shown
from abkit.errors import ParameterError

if TYPE_CHECKING:
    from abkit.store.records import StoredExperiment

Key = Annotated[str, typer.Argument(metavar="KEY", help="Key or id of the experiment.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the audit log.")]
Limit = Annotated[int, typer.Option("--limit", help="Lines at most.")]
Cursor = Annotated[str, typer.Option("--cursor", help="Where the page before ended.")]


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    for command in (create, start, pause, resume, complete, cancel, status, assign, ingest, audit):
        app.command()(command)
    app.command("list")(list_experiments)
    app.command("ship")(ship)
    app.command("rollback")(rollback)
    app.add_typer(keys)


def _login(actor: str) -> str:
    try:
        return actor or getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number that has no name
        return "unknown"


def _tell(stored: StoredExperiment, as_json: bool) -> None:
    if as_json:
        print_json(stored)
    else:
        typer.echo(f"{stored.key}: {stored.status} on the agent {shown(stored.agent_id)} (version {stored.version})")


def create(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Experiment file (YAML).")],
    agent_config: Annotated[
        Path | None, typer.Option("--agent-config", help="JSON file with the configuration of an agent not known yet.")
    ] = None,
    store: Store = DEFAULT_STORE,
    organization: Organization = "default",
    actor: Actor = "",
    as_json: Json = False,
) -> None:
    """Keep an experiment in the store as a draft."""
    from abkit.models import Experiment

    config = _read_config(agent_config) if agent_config is not None else None
    experiment = Experiment.from_yaml(file)
    with opened(store, organization) as lab:
        _tell(lab.create(experiment, actor=_login(actor), agent=config), as_json)


def _read_config(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ParameterError(f"--agent-config {file}: {error}") from None
    if not isinstance(config, dict):
        raise ParameterError(f'--agent-config {file}: expected a JSON object, such as {{"model": "..."}}')
    return config


def _step(name: str, said: str) -> Callable[..., None]:
    def command(
        key: Key,
        store: Store = DEFAULT_STORE,
        organization: Organization = "default",
        actor: Actor = "",
        reason: Reason = "",
        as_json: Json = False,
    ) -> None:
        with opened(store, organization) as lab:
            _tell(getattr(lab, name)(key, actor=_login(actor), reason=reason), as_json)

    command.__name__, command.__doc__ = name, said
    return command


start = _step("start", "Start a draft: freeze its design and give users variants.")
pause = _step("pause", "Give no more variants until `resume`.")
resume = _step("resume", "Go on after `pause`.")
cancel = _step("cancel", "End an experiment without a result.")


def complete(
    key: Key,
    ship_winner: Annotated[bool, typer.Option("--ship-winner", help="Put the winner's config into the agent.")] = False,
    variant: Annotated[str, typer.Option("--variant", help="Ship this variant instead of the winner.")] = "",
    override_reason: Annotated[
        str, typer.Option("--override-reason", help="Why to ship although the analysis does not say so.")
    ] = "",
    store: Store = DEFAULT_STORE,
    organization: Organization = "default",
    actor: Actor = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """End an experiment with a final analysis, and ship its winner on request."""
    with opened(store, organization) as lab:
        done = lab.complete(
            key,
            ship_winner=ship_winner,
            variant=variant or None,
            override_reason=override_reason or None,
            actor=_login(actor),
            reason=reason,
        )
        _tell(done, as_json)


def ship(
    key: Key,
    variant: Annotated[str, typer.Option("--variant", help="Ship this variant instead of the winner.")] = "",
    override_reason: Annotated[
        str, typer.Option("--override-reason", help="Why to ship although the analysis does not say so.")
    ] = "",
    store: Store = DEFAULT_STORE,
    organization: Organization = "default",
    actor: Actor = "",
    as_json: Json = False,
) -> None:
    """Put the winner of a completed experiment into its agent's configuration."""
    with opened(store, organization) as lab:
        agent = lab.ship(key, variant=variant or None, override_reason=override_reason or None, actor=_login(actor))
        print_json(agent) if as_json else typer.echo(f"{shown(agent.id)}: {json.dumps(agent.config)}")


def rollback(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="Id of the agent.")],
    store: Store = DEFAULT_STORE,
    organization: Organization = "default",
    actor: Actor = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Give an agent the configuration that it had before the last change."""
    with opened(store, organization) as lab:
        changed = lab.rollback(agent, actor=_login(actor), reason=reason)
        print_json(changed) if as_json else typer.echo(f"{shown(changed.id)}: {json.dumps(changed.config)}")


def status(
    key: Key, store: Store = DEFAULT_STORE, organization: Organization = "default", as_json: Json = False
) -> None:
    """Show where an experiment stands: sizes, target, and what the data says so far."""
    with opened(store, organization) as lab:
        found = lab.status(key)
        if as_json:
            print_json(found.to_dict())
            return
        _tell(found.experiment, as_json=False)
        for variant in found.variants:
            role = " (control)" if variant.is_control else ""
            typer.echo(
                f"  {shown(variant.name)}{role}: {variant.users:,} users, {variant.traffic_percentage:g} % of traffic"
            )
        typer.echo(f"  {found.total:,} of {found.target:,} planned users")
        said = found.analysis["decision"]["recommendation"] if found.analysis else f"no analysis: {found.reason}"
        typer.echo(f"  {shown(said)}")


def list_experiments(
    agent: Annotated[str, typer.Option("--agent", help="Only those on this agent.")] = "",
    status: Annotated[str, typer.Option("--status", help="Only those with this status.")] = "",
    limit: Limit = 50,
    cursor: Cursor = "",
    store: Store = DEFAULT_STORE,
    organization: Organization = "default",
    as_json: Json = False,
) -> None:
    """List experiments, the newest first."""
    with opened(store, organization) as lab:
        wanted: Any = status or None
        page = lab.list(agent or None, wanted, limit=limit, cursor=cursor or None)
    if as_json:
        print_json(page)
        return
    for stored in page.items:
        typer.echo(f"{stored.key}  {stored.status}  {shown(stored.agent_id)}  {stored.created_at:%Y-%m-%d}")
    _tell_more(page.next_cursor)


def _tell_more(cursor: str | None) -> None:
    if cursor is not None:
        typer.echo(f"there are more: --cursor {cursor}", err=True)


def assign(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="Id of the agent.")],
    user: Annotated[str, typer.Argument(metavar="USER", help="Id of the user.")],
    store: Store = DEFAULT_STORE,
    organization: Organization = "default",
    as_json: Json = False,
) -> None:
    """Say which variant a user of an agent gets, and remember it."""
    with opened(store, organization) as lab:
        found = lab.assign(agent, user)
    if as_json:
        print_json(found)
    elif found.variant is None:
        typer.echo(f"no experiment runs on the agent {shown(agent)}", err=True)
    else:
        typer.echo(shown(found.variant))


def ingest(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or JSON lines, plain or gzipped.")],
    experiment: Annotated[str, typer.Option("--experiment", help="Key or id, for rows that name none.")] = "",
    reject_file: Annotated[
        Path | None, typer.Option("--reject-file", help="Where bad rows go, with line numbers and reasons.")
    ] = None,
    max_errors: Annotated[int | None, typer.Option("--max-errors", min=0, help="Bad rows that end the load.")] = None,
    as_new: Annotated[
        bool, typer.Option("--as-new", help="Rows with neither event_id nor observed_at are new events of now.")
    ] = False,
    store: Store = DEFAULT_STORE,
    organization: Organization = "default",
    as_json: Json = False,
) -> None:
    """Record the observations of a file, each once: loading it again adds nothing twice."""
    with opened(store, organization) as lab:
        done = lab.record_many(
            file, experiment_id=experiment or None, reject_file=reject_file, max_errors=max_errors, as_new=as_new
        ).to_dict()
    if as_json:
        print_json(done)
        return
    counts = ("rows", "added", "repeated", "quarantined", "rejected")
    typer.echo(", ".join(f"{done[name]:,} {name}" for name in counts))
    for example in done["examples"]:
        typer.echo(f"  {shown(example)}", err=True)


def audit(
    key: Annotated[str, typer.Argument(metavar="[KEY]", help="Key or id of an experiment; default: all.")] = "",
    agent: Annotated[str, typer.Option("--agent", help="Only what was done to this agent.")] = "",
    limit: Limit = 100,
    cursor: Cursor = "",
    store: Store = DEFAULT_STORE,
    organization: Organization = "default",
    as_json: Json = False,
) -> None:
    """Show who did what, when and why, the oldest first."""
    with opened(store, organization) as lab:
        page = lab.audit(key or None, agent_id=agent or None, limit=limit, cursor=cursor or None)
    if as_json:
        print_json(page)
        return
    for entry in page.items:
        moved = f" {entry.from_status or '-'} → {entry.to_status}" if entry.to_status else ""
        why = f": {shown(entry.reason)}" if entry.reason else ""
        typer.echo(f"{entry.at:%Y-%m-%d %H:%M:%S}Z  {shown(entry.actor or '-')}  {entry.action}{moved}{why}")
    _tell_more(page.next_cursor)
