"""``python -m cli``: the same as ``onboard``."""

from cli.main import run

run()
