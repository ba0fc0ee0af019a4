"""``onboard adopt``: what exists in a workspace, whoever made it, as specifications that plan to no changes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.connect import connect, report_error
from cli.inputs import BadInput, read_settings, report_bad_input

if TYPE_CHECKING:
    from tasks.adopting.adopt import Adopted, Adoption

EXIT_IN_PART = 3
_YAML_ENDS = frozenset({".yaml", ".yml"})


@dataclass(frozen=True)
class AdoptChoices:
    """The options of the command. ``output`` is a file, a folder, or None for standard output."""

    workspace: int
    region: str
    names: Sequence[str]
    csv: bool
    output: Path | None
    tag: bool
    as_json: bool


def adopt_sources(choices: AdoptChoices) -> int:
    """Read, propose, check each plan, and write; returns the exit code."""
    try:
        settings = read_settings()
        _check_output(choices)
    except BadInput as error:
        report_bad_input(error, choices.as_json)
        return 2
    gate = connect(settings, choices.region)
    from cli.show import progress
    from cloud.errors import MissingObject, OnboardingError
    from flows.adopt import report_json
    from tasks.adopting.adopt import adopt

    quiet = choices.as_json or choices.output is None
    try:
        with progress(f"Adopting workspace {choices.workspace}", quiet):
            adoption = adopt(gate, choices.workspace, choices.names, tag=choices.tag)
    except MissingObject as error:
        report_error(error, choices.as_json)
        return 2
    except OnboardingError as error:
        report_error(error, choices.as_json)
        return 1
    try:
        files = _write(choices, adoption)
    except BadInput as error:
        report_bad_input(error, choices.as_json)
        return 2
    if choices.as_json:
        print(json.dumps(report_json(adoption, files), ensure_ascii=False))
    else:
        _show(adoption, files)
    return 0 if adoption.complete else EXIT_IN_PART


# -- writing -------------------------------------------------------------------------------------------


def _is_folder(path: Path) -> bool:
    return path.is_dir() or not path.suffix


def _check_output(choices: AdoptChoices) -> None:
    """Before anything is read: a file that exists is not written over, and its name says what it is."""
    path = choices.output
    if path is None or _is_folder(path):
        return
    if path.exists():
        raise BadInput(f"{path} exists already; give a new file or a folder", [])
    if choices.csv == (path.suffix.lower() in _YAML_ENDS):
        raise BadInput(f"{path} does not look like {'CSV' if choices.csv else 'YAML'}; see --format", [])


def _write(choices: AdoptChoices, adoption: Adoption) -> list[str]:
    """The files that were written. Raises :class:`BadInput` when they cannot be, before the first one."""
    from flows.adopt import csv_of, multi_document

    if choices.csv:
        text, told = csv_of(adoption.adopted)
        for line in told:
            print(f"note: {line}", file=sys.stderr)
        files = {_csv_file(choices): text}
    elif choices.output is not None:
        files = _yaml_files(choices.output, adoption.adopted)
    else:
        files = {None: multi_document(adoption.adopted)}
    if not adoption.adopted:
        return []
    existing = [str(path) for path in files if path is not None and path.exists()]
    if existing:
        raise BadInput(f"{', '.join(existing)} exist already; give an empty folder", [])
    for path, text in files.items():
        if path is None:
            if not choices.as_json:
                print(text, end="")
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="") as file:
                file.write(text)
        except OSError as error:
            raise BadInput(f"cannot write {path}: {error.strerror}", []) from error
    return [str(path) for path in files if path is not None]


def _csv_file(choices: AdoptChoices) -> Path | None:
    path = choices.output
    return path / f"workspace-{choices.workspace}.csv" if path is not None and _is_folder(path) else path


def _yaml_files(path: Path, adopted: Sequence[Adopted]) -> dict[Path | None, str]:
    from flows.adopt import file_name, yaml_of

    if _is_folder(path):
        return {path / file_name(one): yaml_of(one) for one in adopted}
    if len(adopted) > 1:
        raise BadInput(
            f"{len(adopted)} specifications do not fit into the one file {path}; give a folder", []
        )
    return dict.fromkeys([path], yaml_of(adopted[0])) if adopted else {}


# -- showing -------------------------------------------------------------------------------------------


def _show(adoption: Adoption, files: Sequence[str]) -> None:
    """What became of each data source; on standard error when the specifications themselves are on standard output."""
    out = sys.stdout if files else sys.stderr
    for line in _lines(adoption, files):
        print(line, file=out)


def _lines(adoption: Adoption, files: Sequence[str]) -> Iterator[str]:
    from flows.adopt import shortcomings

    for one in adoption.adopted:
        how = "by adoption" if one.spec.role.adopt else "ours"
        state = "no changes" if one.as_it_is else "NOT as it is"
        yield f"{one.found.title}: role {one.spec.role_name}, {how}, {state}"
        yield from (f"  - {remark}" for remark in (*one.remarks, *shortcomings(one)))
    for left in adoption.left:
        yield (
            f"{left.name} ({', '.join(left.environments)}): cannot be adopted: {left.why}; {left.remedy}"
            + (f": {left.command}" if left.command else "")
        )
    yield from (f"not read: {text}" for text in adoption.unread)
    if adoption.tagged:
        yield f"Tagged as managed here: {', '.join(adoption.tagged)}"
    total, same = len(adoption.adopted), sum(one.as_it_is for one in adoption.adopted)
    yield f"{total} specification{'' if total == 1 else 's'}, {same} without changes; {len(adoption.left)} left"
    yield from (f"Written: {file}" for file in files)
