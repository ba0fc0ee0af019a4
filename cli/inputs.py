"""Reading what a person gave, with one way to say that it is wrong: exit code 2, before anything is written."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import SettingsError

from config.csv_problems import CsvInvalid
from config.load import SpecError, SpecInvalid, load_spec
from config.settings import Settings
from config.spec import DataSourceSpec


class BadInput(Exception):
    """A specification or a setting that cannot be used. ``problems`` holds one mapping a fault."""

    def __init__(self, message: str, problems: list[dict[str, str]]) -> None:
        self.problems = problems
        super().__init__(message)


def read_spec(path: Path) -> DataSourceSpec:
    """The specification. Raises :class:`BadInput` with all its faults."""
    try:
        return load_spec(path)
    except SpecInvalid as error:
        problems = [{"path": p.path, "value": p.value or "", "rule": p.rule} for p in error.problems]
        raise BadInput(str(error), problems) from error
    except SpecError as error:
        raise BadInput(str(error), [{"path": str(path), "value": "", "rule": str(error)}]) from error


def read_settings() -> Settings:
    """The settings from the environment. Raises :class:`BadInput` naming the variables."""
    try:
        return Settings()
    except SettingsError as error:
        # Its cause would show the value, which may hold secrets.
        rule = str(error).replace('"', "")
        raise BadInput(
            f"settings cannot be used: {rule}; it must be JSON",
            [{"path": "ONBOARD_", "value": "", "rule": rule}],
        ) from None
    except ValidationError as error:
        problems = [
            {
                "path": "ONBOARD_" + "__".join(str(part) for part in item["loc"]).upper(),
                "value": "",
                "rule": item["msg"].removeprefix("Value error, "),
            }
            for item in error.errors(include_input=False, include_url=False)
        ]
        lines = "\n".join(f"  {problem['path']}: {problem['rule']}" for problem in problems)
        raise BadInput(f"settings cannot be used:\n{lines}", problems) from error


def bad_file(error: CsvInvalid) -> BadInput:
    """Everything that is wrong with a CSV file, by row and column."""
    problems = [
        {"path": f"row {one.row}, column {one.column}", "value": one.value, "rule": one.rule}
        for one in error.problems
    ]
    return BadInput(str(error), problems)


def report_bad_input(error: BadInput, as_json: bool) -> None:
    """Say it: JSON on standard output for machines, text on standard error for people."""
    if as_json:
        print(json.dumps({"outcome": "bad input", "problems": error.problems}, ensure_ascii=False))
    else:
        print(f"error: {error}", file=sys.stderr)
