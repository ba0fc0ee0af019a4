"""What is wrong with a CSV file of data sources: every problem at once, with row, column, value and rule.

    CsvInvalid    (a ``config.load.SpecError``) the file, or rows of it, cannot be used; ``problems`` has each one

Who wrote the file repairs it. Row numbers are line numbers of the file, as an editor counts them: that of the line
in which the row begins, when quoted cells hold line ends.
"""

from __future__ import annotations

from dataclasses import dataclass

from config.load import SpecError, short_value

_SHOWN = 1000
"""Ours: a message lists so many problems; ``problems`` has them all. More than that are one mistake repeated."""


@dataclass(frozen=True)
class RowProblem:
    """One broken rule.

    ``row`` is the line in which the row begins: 1 for the file as a whole, 0 where there are none (a file that cannot be
    read, a file of defaults).
    ``column`` is the column's name, or "" when no column is meant; ``value`` a short form that shows no secret, ""
    when there is none; ``rule`` what should hold; ``source`` the file.
    """

    row: int
    column: str
    value: str
    rule: str
    source: str = ""

    def __str__(self) -> str:
        place = [self.source] if self.source else []
        place += [f"row {self.row}"] if self.row else []
        place += [f"column {self.column}" if self.row else self.column] if self.column else []
        return f"{', '.join(place)}: {self.rule}" + (f" (found {self.value})" if self.value else "")


class CsvInvalid(SpecError):
    """The CSV file ``source``, or rows of it, cannot be used; ``problems`` lists every reason found."""

    def __init__(self, source: str, problems: tuple[RowProblem, ...]) -> None:
        super().__init__(source, problems)
        self.source = source
        self.problems = problems

    def __str__(self) -> str:
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        lines = [f"{self.source}: {count}", *(f"  {problem}" for problem in self.problems[:_SHOWN])]
        if len(self.problems) > _SHOWN:
            lines.append(f"  ... and {len(self.problems) - _SHOWN} more")
        return "\n".join(lines)


def cell_value(column: str, cell: str) -> str:
    """A cell as messages show it: shortened, hidden when the column's name says that it holds a secret."""
    return short_value(tuple(column.split(".")), "", cell)


def file_problem(source: str, rule: str, *, row: int = 1, value: str = "") -> CsvInvalid:
    """The error for a file that cannot be read at all, or from ``row`` on."""
    return CsvInvalid(source, (RowProblem(row, "", value, rule, source),))
