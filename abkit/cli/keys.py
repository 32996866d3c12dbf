"""The commands for API keys: `abkit keys create`, `list`, `revoke`."""

from __future__ import annotations

from typing import Annotated

import typer

from abkit.cli.options import DEFAULT_STORE, Json, Organization, Store, opened, print_json, shown

app = typer.Typer(name="keys", help="API keys of `abkit serve`.", no_args_is_help=True, rich_markup_mode=None)


@app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is for.")],
    scope: Annotated[list[str], typer.Option("--scope", help="read, ingest or manage; may be repeated.")] = ["read"],  # noqa: B006
    expires: Annotated[str, typer.Option("--expires", help="ISO date or time; default: never.")] = "",
    store: Store = DEFAULT_STORE,
    organization: Organization = "default",
    as_json: Json = False,
) -> None:
    """Make an API key and print it: it is shown this once."""
    from abkit.controller.analysis import parse_time
    from abkit.controller.transitions import utc_now
    from abkit.store import keys
    from abkit.store.engine import writing

    expires_at = parse_time(expires) if expires else None
    with opened(store, organization) as lab, writing(lab.engine) as connection:
        new = keys.create_key(connection, organization, name, scope, now=utc_now(), expires_at=expires_at)
    if as_json:
        from abkit.plain import to_plain

        print_json({**to_plain(new.key), "text": new.text})
    else:
        typer.echo(new.text)
        typer.echo("keep it now: the store holds only its hash and nobody can show it again", err=True)


@app.command("list")
def list_keys(store: Store = DEFAULT_STORE, organization: Organization = "default", as_json: Json = False) -> None:
    """List API keys; their secrets are not kept."""
    from abkit.controller.transitions import utc_now
    from abkit.store import keys
    from abkit.store.engine import reading

    with opened(store, organization) as lab, reading(lab.engine) as connection:
        found = keys.list_keys(connection, organization)
    if as_json:
        print_json(found)
        return
    now = utc_now()
    for key in found:
        state = "revoked" if key.revoked_at else "valid" if key.is_valid(now) else "expired"
        typer.echo(f"{key.public_id}  {state}  {','.join(key.scopes)}  {shown(key.name)}")


@app.command("revoke")
def revoke_key(
    public_id: Annotated[str, typer.Argument(metavar="ID", help="The part of the key between abk_ and the next _.")],
    store: Store = DEFAULT_STORE,
    organization: Organization = "default",
    as_json: Json = False,
) -> None:
    """End an API key for good."""
    from abkit.controller.transitions import utc_now
    from abkit.store import keys
    from abkit.store.engine import writing

    with opened(store, organization) as lab, writing(lab.engine) as connection:
        key = keys.revoke_key(connection, organization, public_id, now=utc_now())
    print_json(key) if as_json else typer.echo(f"{key.public_id}: revoked")
