"""``onboard``: the commands and their options. Heavy modules are imported inside the commands: --help is quick.

Exit codes: 0 done, 1 failed, 2 bad input or blocked, 3 changes (plan) or not approved (submit), 4 stopped (bulk) or
still running (submit), 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.adopt_command import Form, adopt
from cli.audit_command import audit
from cli.bulk_command import Json, bulk
from cli.evidence import evidence
from cli.migrate_command import migrate
from cli.offboard_command import offboard

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
def submit(
    spec: SpecFile,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow the run to its end; print its result.")
    ] = False,
    deployment: Annotated[
        str, typer.Option(metavar="NAME", help="Which deployment runs it.")
    ] = "onboard-api",
    idempotency_key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY", help="The same key never starts two runs. Default: a new key, thus a new run."
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(min=1, metavar="SECONDS", help="With --wait: how long. The run itself goes on."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Let a worker of the Prefect server onboard a data source, through a deployment.

    0 submitted (--wait: done), 1 failed, 2 bad input or blocked, 3 not approved, 4 not done within --timeout.
    """
    from cli.submit import SubmitChoices, submit_file

    choices = SubmitChoices(spec, deployment, wait, idempotency_key, timeout, as_json)
    raise typer.Exit(submit_file(choices))


app.command()(bulk)
app.command()(audit)
app.command()(migrate)
app.command()(offboard)
app.add_typer(evidence, name="evidence")


@app.command()
def permissions(
    spec: Annotated[
        Path | None,
        typer.Argument(
            metavar="[SPEC|CSV]", help="For this specification or CSV file. Default: for the whole product."
        ),
    ] = None,
    account: Annotated[str, typer.Option(help="Account id in the resources.")] = "*",
    defaults: Annotated[Path | None, typer.Option(help="YAML file with defaults of the CSV file.")] = None,
    for_bulk: Annotated[
        bool, typer.Option("--bulk", help="Also what onboard bulk needs; for a CSV file that is always so.")
    ] = False,
    for_offboard: Annotated[
        bool, typer.Option("--offboard", help="Those of onboard offboard, in place of onboarding's.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print the minimal RAM policy of each persona, in place of the vendor's FullAccess policies."""
    from cli.permissions import print_permissions

    raise typer.Exit(
        print_permissions(spec, account, as_json, defaults=defaults, bulk=for_bulk, offboard=for_offboard)
    )


@app.command()
def learn(
    workspace: Annotated[int, typer.Option(help="Workspace id.")],
    name: Annotated[str, typer.Option(help="Data source that was made in the console, in role mode.")],
    region: Annotated[str, typer.Option(help="Region of the workspace.")],
) -> None:
    """Read a console-made data source and print the content profile to put into the settings."""
    from cli.learn import print_profile

    raise typer.Exit(print_profile(workspace, name, region))


@app.command()
def expire(
    workspace: Annotated[
        int | None,
        typer.Option(min=1, help="Only grants on roles of this workspace. Default: all of the account."),
    ] = None,
    region: Annotated[
        str, typer.Option(help="Any region of the account: RAM is the same in all.")
    ] = "cn-hangzhou",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what has ended; write nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Remove PassRole grants whose end date has passed, found in the cloud without a specification.

    0 done or nothing to do, 1 failed, 2 bad input, 3 --dry-run: some have ended.
    """
    from cli.expire import ExpireChoices, expire_grants

    raise typer.Exit(expire_grants(ExpireChoices(workspace, region, dry_run, yes, as_json)))


app.command()(adopt)


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
def schema(
    form: Annotated[
        Form, typer.Argument(metavar="[yaml|csv]", help="csv: the columns of a file with many data sources.")
    ] = Form.YAML,
    as_json: Annotated[
        bool, typer.Option("--json", help="The columns as JSON; the schema of YAML always is.")
    ] = False,
) -> None:
    """Print the JSON Schema of the specification, or the columns of a CSV file."""
    if form is Form.CSV:
        from cli.template import print_columns

        raise typer.Exit(print_columns(as_json))
    import json

    from config.load import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))


template = typer.Typer(help="Write a file to start from.", no_args_is_help=True)
app.add_typer(template, name="template")


@template.command("csv")
def template_csv(
    types: Annotated[
        list[str] | None,
        typer.Option("--type", help="A source type to show; may be repeated. Default: every type."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A new file. Default: standard output.")
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Without the rows of notes about each column.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="With the columns of every key a reader or writer may have.")
    ] = False,
) -> None:
    """Write a CSV file with header, notes about each column and one valid example row for each source type."""
    from cli.template import write_template

    raise typer.Exit(write_template(types or [], out, plain=plain, every=every))


@app.command()
def blocks(
    save: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Also save the settings' identities, as NAME-administrator and so on."
        ),
    ] = None,
) -> None:
    """Make the credentials blocks known to the Prefect server; running it again changes nothing."""
    from cli.blocks import register_blocks

    raise typer.Exit(register_blocks(save))


@app.command()
def automations(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="YAML files, as in automations/.")],
) -> None:
    """Create automations on the Prefect server, or bring those of the same name up to date."""
    from cli.automations import apply_automations

    raise typer.Exit(apply_automations(files))


@app.command()
def metrics(
    report: Annotated[
        Path, typer.Argument(metavar="REPORT", help="JSON report of apply --json, or of a file.")
    ],
) -> None:
    """Print the metrics of one run as Prometheus text."""
    from cli.metrics import print_metrics

    raise typer.Exit(print_metrics(report))


@app.command()
def emulator(
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free port.")] = 8090,
    account: Annotated[
        Path | None, typer.Option(help="Account file (YAML). Default: the sample account.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep the state there between two starts.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Announce URL and keys as one line of JSON.")
    ] = False,
) -> None:
    """Serve a local Alibaba Cloud until Ctrl-C; prints its URL and keys."""
    # The local cloud is another program that is reached over HTTP only: this process becomes it.
    arguments = [sys.executable, "-m", "emulator", "--host", host, "--port", str(port)]
    arguments += ["--account", str(account)] if account else []
    arguments += ["--state", str(state)] if state else []
    arguments += ["--json"] if as_json else []
    sys.stdout.flush()
    os.execv(sys.executable, arguments)  # noqa: S606  # no shell: a fixed program with checked options


@app.command()
def server(
    folder: Annotated[
        Path, typer.Option(metavar="DIR", help="Databases, the local cloud's state and logs.")
    ] = Path(".onboarding"),
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Prefect's UI and API; 0 takes a free port.")
    ] = 4200,
    cloud_port: Annotated[int, typer.Option(min=0, max=65535, help="The local cloud.")] = 8090,
    workers: Annotated[
        int | None, typer.Option(min=1, max=16, help="Workers of each work pool. Default: 1, with --scale 2.")
    ] = None,
    scale: Annotated[
        bool, typer.Option("--scale", help="On PostgreSQL and Redis, with services of their own.")
    ] = False,
    account: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Account file of the local cloud's first start. Default: the sample."
        ),
    ] = None,
) -> None:
    """Start Prefect, a local cloud, blocks, deployments and workers until Ctrl-C; what was done stays in DIR.

    Everything listens on loopback only.
    """
    from cli.server import ServerChoices, run_server

    raise typer.Exit(run_server(ServerChoices(folder, port, cloud_port, workers, scale, account)))


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
