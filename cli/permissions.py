"""``onboard permissions``: the minimal RAM policy of each persona."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cli.inputs import BadInput, bad_file, read_spec, report_bad_input
from cli.prefect_environment import prepare
from config.limits import POLICY_DOCUMENT_CHARACTERS

if TYPE_CHECKING:
    from config.spec import DataSourceSpec
    from tasks.declared import Declared


def print_permissions(
    path: Path | None,
    account: str,
    as_json: bool,
    *,
    defaults: Path | None = None,
    bulk: bool = False,
    offboard: bool = False,
) -> int:
    """Print, for one specification, a CSV file or the whole product; returns the exit code.

    ``bulk``: the product's policies with what planning a CSV file takes; a CSV file's own have it anyway.
    ``offboard``: what taking back takes, which is only known of a specification or a file.
    """
    if account != "*" and not account.isdigit():
        report_bad_input(BadInput(f"an account id is a number, not {account!r}", []), as_json)
        return 2
    prepare(verbose=False)
    from policy import size, to_dict
    from tasks.declared import persona_policies

    try:
        rows = _rows(path, account, defaults, bulk, offboard)
        documents = persona_policies(rows)
    except BadInput as error:
        report_bad_input(error, as_json)
        return 2
    policies = {persona.value: to_dict(document) for persona, document in documents.items()}
    for persona, document in documents.items():
        if size(document) > POLICY_DOCUMENT_CHARACTERS:
            told = f"the {persona.value}'s policy has {size(document)} characters, a custom policy holds"
            advice = (
                "split the file, or use `onboard permissions --bulk`, which has patterns in place of names"
            )
            print(f"note: {told} {POLICY_DOCUMENT_CHARACTERS}: {advice}", file=sys.stderr)
    if as_json:
        print(json.dumps(policies, ensure_ascii=False))
        return 0
    for name, policy in policies.items():
        print(f"# {name}")
        print(json.dumps(policy, indent=2, ensure_ascii=False))
    if not offboard:
        print(
            "# creator and executor get ram:PassRole on the role by step 2, as grantees of the specification"
        )
    return 0


def _rows(
    path: Path | None, account: str, defaults: Path | None, bulk: bool, offboard: bool
) -> tuple[Declared, ...]:
    """What is called. Raises :class:`BadInput`."""
    from config.csv_file import read_rows
    from config.csv_problems import CsvInvalid
    from config.sources import source_types
    from tasks.declared import declared, declared_for_file, declared_for_planning, declared_for_product

    if path is not None and path.suffix.lower() == ".csv":
        try:
            rows = read_rows(path, defaults=defaults).require_valid().rows
        except CsvInvalid as error:
            raise bad_file(error) from None
        if offboard:
            return _offboarding([row.spec for row in rows], account)
        return declared_for_file([row.spec for row in rows], account)
    if defaults is not None:
        raise BadInput("--defaults are those of a CSV file, and none is given", [])
    if offboard:
        if path is None or bulk:
            raise BadInput("--offboard needs a specification or a CSV file, and no --bulk", [])
        return _offboarding([read_spec(path)], account)
    planning = declared_for_planning(account) if bulk else ()
    if path is not None:
        return (*declared(read_spec(path), account), *planning)
    services = [kind.service for kind in source_types().values()]
    return (*declared_for_product(account, services), *planning)


def _offboarding(specs: list[DataSourceSpec], account: str) -> tuple[Declared, ...]:
    """What taking back the data sources calls, role by role."""
    from tasks.offboarding.declared import declared_for_offboarding
    from tasks.role_group import groups_of

    return tuple(row for group in groups_of(specs) for row in declared_for_offboarding(group, account))
