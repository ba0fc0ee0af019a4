"""``onboard evidence``: take an evidence pack, and check a chain of them without any cloud."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.bulk_command import Json

if TYPE_CHECKING:
    from flows.evidence import Written
    from flows.evidence_pack import Link, Verified

EXIT_BROKEN = 1

evidence = typer.Typer(
    help="Take an evidence pack for an access review, or check packs.", invoke_without_command=True
)


@evidence.callback()
def take(
    context: typer.Context,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Where the packs are kept. Required."),
    ] = None,
    previous: Annotated[
        Path | None,
        typer.Option(metavar="PACK", help="The pack before. Default: the newest in the folder."),
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Region of the workspaces. Default: that of the specifications.")
    ] = None,
    workspace: Annotated[
        list[int] | None, typer.Option(min=1, help="Workspace id; may be repeated. Default: all.")
    ] = None,
    spec: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A specification to compare with.")
    ] = None,
    csv: Annotated[list[str] | None, typer.Option(metavar="FILE", help="A CSV file to compare with.")] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="FILE", help="Findings that are accepted (YAML).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Who may use which role to reach what, what changed since the pack before, and by which run. Writes no cloud.

    0 taken, 1 the cloud could not be read, 2 bad input.
    """
    if context.invoked_subcommand is not None:
        return
    if output is None:
        raise typer.BadParameter("give the folder for the packs", param_hint="--output")
    inputs = {
        "region": region,
        "workspaces": workspace,
        "specs": [str(path) for path in spec or ()],
        "csv_files": csv or (),
        "baseline": baseline,
    }
    raise typer.Exit(_take(output, previous, inputs, as_json))


def _take(output: Path, previous: Path | None, asked: dict[str, Any], as_json: bool) -> int:
    from cli.connect import connect, report_error
    from cli.inputs import BadInput, bad_file, read_settings, report_bad_input
    from cli.prefect_environment import prepare
    from config.csv_problems import CsvInvalid
    from config.load import SpecError

    prepare(verbose=False)
    from cloud.errors import OnboardingError
    from flows.audit_inputs import read_inputs
    from flows.evidence import take_evidence
    from flows.evidence_pack import PackInvalid

    try:
        inputs, settings = read_inputs(**asked), read_settings()
        written = take_evidence(connect(settings, inputs.region), inputs, output, previous)
    except OnboardingError as error:
        report_error(error, as_json)
        return 1
    except CsvInvalid as error:
        report_bad_input(bad_file(error), as_json)
        return 2
    except (SpecError, PackInvalid) as error:
        report_bad_input(BadInput(str(error), []), as_json)
        return 2
    except BadInput as error:
        report_bad_input(error, as_json)
        return 2
    _show_written(written, as_json)
    return 0


def _show_written(written: Written, as_json: bool) -> None:
    from flows.evidence import headline
    from flows.evidence_pack import content_of

    pack = written.pack
    if as_json:
        told = {name: pack[name] for name in ("number", "taken_at", "sha256", "previous")}
        print(json.dumps({**told, "file": str(written.json_file), "page": str(written.page)}))
        return
    told_headline = headline(pack)
    print(f"{told_headline[:1].upper()}{told_headline[1:]}")
    for text in content_of(pack, "unread"):
        print(f"Not read: {text}")
    note = content_of(pack, "runs")["note"]
    if note:
        print(f"Runs: {note}")
    print(f"{written.json_file}\n{written.page}")


@evidence.command()
def verify(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Packs of one chain, or folders of them.")
    ],
    as_json: Json = False,
) -> None:
    """Check that packs are what they were when they were sealed, and follow each other. Asks no cloud.

    0 sound, 1 the first broken link is told, 2 a file is no pack.
    """
    raise typer.Exit(_verify(files, as_json))


def _verify(files: list[Path], as_json: bool) -> int:
    from cli.inputs import BadInput, report_bad_input
    from cli.prefect_environment import prepare

    prepare(verbose=False)
    from flows.evidence import packs_in, page_fault
    from flows.evidence_pack import PackInvalid, read_pack
    from flows.evidence_pack import verify as verify_packs

    try:
        paths = packs_in(files)
        packs = [(str(path), read_pack(path)) for path in paths]
    except PackInvalid as error:
        report_bad_input(BadInput(str(error), []), as_json)
        return 2
    found = verify_packs(packs)
    missing = [link.name for link in found.links if not Path(link.name).with_suffix(".md").exists()]
    found = replace(found, notes=(*(f"there is no page beside {name}" for name in missing), *found.notes))
    faults = [page_fault(Path(name), pack) for name, pack in packs] if found.broken is None else []
    pages = [fault for fault in faults if fault]
    if as_json:
        print(json.dumps(_json(found, pages), ensure_ascii=False))
    else:
        _show(found, pages)
    return EXIT_BROKEN if found.broken is not None or pages else 0


def _json(found: Verified, pages: list[str]) -> dict[str, Any]:
    broken = found.broken
    return {
        "outcome": "broken" if broken or pages else "sound",
        "packs": [_link_json(link) for link in found.links],
        "broken": _link_json(broken) if broken else None,
        "not_judged": list(found.left),
        "pages": pages,
        "notes": list(found.notes),
    }


def _link_json(link: Link) -> dict[str, Any]:
    return {
        "file": link.name,
        "number": link.number,
        "taken_at": link.taken_at,
        "sha256": link.sha256,
        "fault": link.fault,
    }


def _show(found: Verified, pages: list[str]) -> None:
    from flows.evidence_pack import stamp

    for link in found.links:
        state = "broken" if link.fault else "sound"
        print(f"{state}  {link.number}  {stamp(link.taken_at)}  {link.sha256}  {link.name}")
        if link.fault:
            print(f"        {link.fault}")
    for name in found.left:
        print(f"not judged, because it is behind the first broken link: {name}")
    for text in (*pages, *found.notes):
        print(f"Note: {text}")
    if found.broken is None and not pages:
        last = found.links[-1]
        print(f"The chain is sound. Compare the last hash with one kept elsewhere: {last.sha256}")


@evidence.command()
def render(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A pack.")],
) -> None:
    """Print the page of a pack anew, from its JSON alone.

    0 printed, 2 the file is no sound pack.
    """
    raise typer.Exit(_render(file))


def _render(file: Path) -> int:
    from cli.inputs import BadInput, report_bad_input
    from cli.prefect_environment import prepare

    prepare(verbose=False)
    from flows.evidence_markdown import evidence_markdown
    from flows.evidence_pack import PackInvalid, own_fault, read_pack

    try:
        pack = read_pack(file)
        fault = own_fault(pack)
        if fault:
            raise PackInvalid(f"{file}: {fault}")
    except PackInvalid as error:
        report_bad_input(BadInput(str(error), []), as_json=False)
        return 2
    print(evidence_markdown(pack), end="")
    return 0
