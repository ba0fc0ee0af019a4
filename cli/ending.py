"""How a command that runs a flow ends: its exit code for whatever stopped it, and the flow's report."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from cli.connect import report_error
from cli.inputs import BadInput, bad_file, report_bad_input
from cli.interrupt import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

    from cloud.errors import OnboardingError
    from config.csv_problems import CsvInvalid

T = TypeVar("T")


class Declined(Exception):
    """The person said no."""


def exit_code(run: Callable[[], int], *, as_json: bool, again: str) -> int:
    """What ``run`` returns; or, for what it raises, the code and the words of every command that writes.

    2: bad input. 1: declined, or an error of the tree. 130: interrupted; ``again`` says how to go on. Anything else is
    raised: it is a fault.
    """
    try:
        return run()
    except BadInput as error:
        report_bad_input(error, as_json)
        return 2
    except Declined:
        print("nothing was written", file=sys.stderr)
        return 1
    except typer.Abort:  # Ctrl-C or the end of input at a question
        print("\nnothing was written", file=sys.stderr)
        return EXIT_INTERRUPTED
    except KeyboardInterrupt:
        return _interrupted(again)
    # Imported when they are needed: a command that ends for a typing error must not wait for Prefect.
    except _error_of_the_tree() as error:
        report_error(error, as_json)
        return 1
    except _invalid_file() as error:
        report_bad_input(bad_file(error), as_json)
        return 2
    except _unusable() as error:
        report_bad_input(BadInput(str(error), []), as_json)
        return 2
    except _termination():
        return _interrupted(again)


def _interrupted(again: str) -> int:
    print(f"interrupted; {again}: what was done is found and not repeated", file=sys.stderr)
    return EXIT_INTERRUPTED


def _error_of_the_tree() -> type[OnboardingError]:
    from cloud.errors import OnboardingError

    return OnboardingError


def _invalid_file() -> type[CsvInvalid]:
    from config.csv_problems import CsvInvalid

    return CsvInvalid


def _unusable() -> tuple[type[Exception], ...]:
    from flows.bulk_files import FolderUnusable
    from flows.bulk_reading import ReportInvalid

    return FolderUnusable, ReportInvalid


def _termination() -> type[BaseException]:
    """What Prefect raises for SIGTERM while a flow runs."""
    from prefect.exceptions import TerminationSignal

    return TerminationSignal


def report_of(state: State[Any], result: object, kind: type[T]) -> T:
    """The report that a flow has ended with. Raises what the flow raised, and ``RuntimeError`` when there is neither."""
    if isinstance(result, kind):
        return result
    if isinstance(result, BaseException):
        raise result
    raise RuntimeError(f"the flow ended as {state.name} without a report: {state.message}")
