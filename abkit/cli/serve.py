"""`abkit serve`: the platform over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from abkit.cli.options import DEFAULT_STORE, Store
from abkit.errors import ParameterError


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    app.command()(serve)


def serve(
    store: Store = DEFAULT_STORE,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0: any.")] = 8000,
) -> None:
    """Serve the store over HTTP; `abkit keys create` makes the keys that clients need."""
    try:
        import uvicorn

        from abkit.api import create_app
    except ModuleNotFoundError as error:
        if error.name not in {"fastapi", "uvicorn", "starlette"}:
            raise
        raise ParameterError(f"serving needs {error.name}, which is not installed: pip install 'abkit[api]'") from None
    uvicorn.run(create_app(store), host=host, port=port, server_header=False)
