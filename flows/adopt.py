"""What ``onboard adopt`` gives: specifications as YAML or CSV with their remarks, and the report of what was found."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from config.csv_columns import NOTE_COLUMN
from config.csv_file import parse_rows
from config.csv_problems import CsvInvalid
from config.csv_write import csv_text, to_row
from config.load import parse_spec, read_mapping
from tasks.adopting.adopt import Adopted, Adoption
from tasks.adopting.found import Left

_WIDTH = 110


class _Dumper(yaml.SafeDumper):
    """Without aliases, which a specification may not have."""

    def ignore_aliases(self, data: Any) -> bool:
        """Never a reference to what was written before."""
        return True


def yaml_of(one: Adopted) -> str:
    """A specification as YAML, its remarks and the changes of its plan as comments before it.

    Raises ``ValueError`` when reading it gives another specification than the one that was planned.
    """
    lines = ["# Adopted: what exists, as a specification."]
    lines += [line for remark in (*one.remarks, *shortcomings(one)) for line in _comment(remark)]
    text = yaml.dump(
        dict(one.proposal.mapping), Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=_WIDTH
    )
    if parse_spec(read_mapping(one.found.name, text), source=one.found.name) != one.spec:
        raise ValueError(f"the specification of {one.found.title} is not what it is read as")
    return "\n".join((*lines, text))


def _comment(remark: str) -> Iterator[str]:
    """A remark as comment; line breaks in what the cloud told must not end it."""
    text = " ".join(remark.split())
    start = "# - "
    while text:
        cut = len(text) if len(text) <= _WIDTH else text.rfind(" ", 0, _WIDTH) + 1 or _WIDTH
        yield start + text[:cut].rstrip()
        text, start = text[cut:], "#   "


def csv_of(adopted: Sequence[Adopted]) -> tuple[str, tuple[str, ...]]:
    """Specifications as a CSV file, the remarks as rows of notes, and what does not fit into one file.

    A data source whose environments differ is two specifications, of which a file holds the first. Raises
    ``ValueError`` when reading the file gives other specifications than those that were planned.
    """
    rows: list[dict[str, str]] = []
    kept: dict[str, Adopted] = {}
    told: list[str] = []
    for one in adopted:
        if one.found.name in kept:
            told.append(f"{one.found.title}: a CSV file has one row a data source; write it as YAML")
            continue
        kept[one.found.name] = one
        rows += [
            {NOTE_COLUMN: f"{one.found.title}: {remark}"} for remark in (*one.remarks, *shortcomings(one))
        ]
        rows.append(to_row(one.spec))
    text = csv_text(rows, header=[NOTE_COLUMN, "name", "workspace", "region", "type"], line_end="\n")
    try:
        read = parse_rows(text.encode(), source="what was written").require_valid()
    except CsvInvalid as error:
        raise ValueError(str(error)) from error
    if [row.spec for row in read.rows] != [one.spec for one in kept.values()]:
        raise ValueError("the specifications of the CSV file are not what they are read as")
    return text, tuple(told)


def shortcomings(one: Adopted) -> Iterator[str]:
    """Why the plan of a specification is not empty, change by change."""
    if one.refusal:
        yield f"it cannot be planned: {one.refusal}"
    for change in one.changes:
        fields = ", ".join(difference.path for difference in change.differences)
        yield f"applying it changes step {change.step}: {change.kind.value} {change.subject}" + (
            f" ({fields})" if fields else ""
        )


def file_name(one: Adopted) -> str:
    """The name of its YAML file: the data source's, with the environments when it is not all of it."""
    environments = "" if one.found.alone else "-" + "-".join(env.name.lower() for env in one.found.sources)
    return f"{one.found.name}{environments}.yaml"


def multi_document(adopted: Sequence[Adopted]) -> str:
    """All specifications as one text, to look at: each is a document of its own."""
    out = io.StringIO()
    for number, one in enumerate(adopted):
        out.write(("---\n" if number else "") + yaml_of(one))
    return out.getvalue()


def report_json(adoption: Adoption, files: Sequence[str] = ()) -> dict[str, Any]:
    """Plain values: every specification with its remarks and changes, what is left, and what was written."""
    return {
        "outcome": "adopted" if adoption.complete else "adopted in part",
        "workspace": adoption.workspace,
        "region": adoption.region,
        "adopted": [
            {
                "data_source": one.found.name,
                "environments": [environment.name for environment in one.found.sources],
                "specification": one.spec.model_dump(mode="json"),
                "remarks": list(one.remarks),
                "no_changes": one.as_it_is,
                "refusal": one.refusal,
                "changes": [change.to_json() for change in one.changes],
            }
            for one in adoption.adopted
        ],
        "left": [_left_json(one) for one in adoption.left],
        "tagged": list(adoption.tagged),
        "unread": list(adoption.unread),
        "files": list(files),
    }


def _left_json(one: Left) -> dict[str, Any]:
    return {
        "data_source": one.name,
        "environments": list(one.environments),
        "why": one.why,
        "remedy": one.remedy,
        "command": one.command,
    }
