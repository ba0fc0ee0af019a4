"""``onboard``: the commands and their options. Heavy modules are imported inside the commands: --help is quick.

Exit codes: 0 done, 1 failed, 2 bad input or blocked, 3 changes (plan), 130 interrupted.
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


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("dataworks-onboarding"))
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Open Alibaba Cloud DataWorks data sources in RAM role-based authorization."""
    del version


SpecFile = Annotated[
    Path, typer.Argument(metavar="SPEC", help="The specification, a YAML file.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, nothing else.")]


@app.command()
def check(
    spec: SpecFile,
    cloud: Annotated[
        bool, typer.Option("--cloud", help="Also run preflight: read-only questions to the cloud.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check a specification without asking any cloud. All errors are shown at once.

    With --cloud: 0 nothing blocks, 2 something does.
    """
    from cli.check import check_cloud, check_file

    raise typer.Exit(check_cloud(spec, as_json) if cloud else check_file(spec, as_json))


@app.command()
def plan(
    spec: SpecFile,
    as_json: Json = False,
    out: Annotated[Path | None, typer.Option(help="Write the plan to this file, for apply --plan.")] = None,
) -> None:
    """Show what applying would change, field by field; writes nothing.

    0 nothing to do, 3 changes, 2 bad input or blocked by preflight.
    """
    from cli.plan import plan_file

    raise typer.Exit(plan_file(spec, as_json=as_json, out=out))


@app.command()
def apply(
    spec: SpecFile,
    as_json: Json = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Apply without asking.")] = False,
    approved: Annotated[
        str | None,
        typer.Option(
            "--plan", metavar="HASH|FILE", help="Apply exactly this plan; refuse when anything has moved."
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show Prefect's own log, too.")] = False,
) -> None:
    """Take one data source through all five steps: plan, show, ask, apply. A second run writes nothing."""
    from cli.apply import apply_file

    raise typer.Exit(apply_file(spec, as_json=as_json, yes=yes, approved=approved, verbose=verbose))


@app.command()
def permissions(
    spec: Annotated[
        Path | None,
        typer.Argument(metavar="[SPEC]", help="For this specification. Default: for the whole product."),
    ] = None,
    account: Annotated[str, typer.Option(help="Account id in the resources.")] = "*",
    as_json: Json = False,
) -> None:
    """Print the minimal RAM policy of each persona, in place of the vendor's FullAccess policies."""
    from cli.permissions import print_permissions

    raise typer.Exit(print_permissions(spec, account, as_json))


@app.command()
def learn(
    workspace: Annotated[int, typer.Option(help="Workspace id.")],
    name: Annotated[str, typer.Option(help="Data source that was made in the console, in role mode.")],
    region: Annotated[str, typer.Option(help="Region of the workspace.")],
) -> None:
    """Read a console-made data source and print the content profile to put into the settings."""
    from cli.learn import print_profile

    raise typer.Exit(print_profile(workspace, name, region))


explain = typer.Typer(
    help="Answers from the account's current documents, with the deciding statement.", no_args_is_help=True
)
app.add_typer(explain, name="explain")


@explain.command("pass-role")
def explain_pass_role(
    role: Annotated[str, typer.Option(help="Role name.")],
    region: Annotated[str, typer.Option(help="Region whose STS endpoint is asked for the account.")],
    user: Annotated[str | None, typer.Option(help="One user. Default: every user and group.")] = None,
    as_json: Json = False,
) -> None:
    """Who can pass ROLE to Data Integration, and why."""
    from cli.explain import explain_pass

    raise typer.Exit(explain_pass(role, user, region, as_json))


@explain.command("access")
def explain_role_access(spec: SpecFile, as_json: Json = False) -> None:
    """What the role of SPEC can do on its location, action by action, and why."""
    from cli.explain import explain_access

    raise typer.Exit(explain_access(spec, as_json))


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
