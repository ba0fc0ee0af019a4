"""``onboard``: the commands and their options. Heavy modules are imported inside the commands: --help is quick.

Exit codes: 0 done, 1 failed, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2

app = typer.Typer(
    name="onboard",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Open Alibaba Cloud DataWorks data sources in RAM role-based authorization.",
)

SpecFile = Annotated[
    Path, typer.Argument(metavar="SPEC", help="The specification, a YAML file.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, nothing else.")]


@app.command()
def check(spec: SpecFile, as_json: Json = False) -> None:
    """Check a specification without asking any cloud. All errors are shown at once."""
    from cli.check import check_file

    raise typer.Exit(check_file(spec, as_json))


@app.command()
def apply(
    spec: SpecFile,
    as_json: Json = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show Prefect's own log, too.")] = False,
) -> None:
    """Take one data source through all five steps. A second run writes nothing."""
    from cli.apply import apply_file

    raise typer.Exit(apply_file(spec, as_json=as_json, verbose=verbose))


@app.command()
def schema() -> None:
    """Print the JSON Schema of the specification."""
    import json

    from config.load import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@app.command()
def emulator(
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free port.")] = 8090,
    account: Annotated[
        Path | None, typer.Option(help="Account file (YAML). Default: the sample account.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Announce URL and keys as one line of JSON.")
    ] = False,
) -> None:
    """Serve a local Alibaba Cloud until Ctrl-C; prints its URL and keys."""
    # The local cloud is another program that is reached over HTTP only: this process becomes it.
    arguments = [sys.executable, "-m", "emulator", "--host", host, "--port", str(port)]
    arguments += ["--account", str(account)] if account else []
    arguments += ["--json"] if as_json else []
    sys.stdout.flush()
    os.execv(sys.executable, arguments)  # noqa: S606  # no shell: a fixed program with checked options


@app.command()
def demo(
    spec: Annotated[Path | None, typer.Argument(metavar="[SPEC]", help="Default: examples/oss.yaml.")] = None,
) -> None:
    """Start a local cloud, onboard the example twice, and stop everything again."""
    from cli.demo import run_demo

    raise typer.Exit(run_demo(spec))


def run(arguments: list[str] | None = None) -> Any:
    """Entry point of the console script."""
    return app(args=arguments)


if __name__ == "__main__":
    run()
