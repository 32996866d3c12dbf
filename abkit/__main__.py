"""`python -m abkit` is `abkit`."""

from abkit.cli import main

main()
