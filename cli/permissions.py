"""``onboard permissions``: the minimal RAM policy of each persona."""

from __future__ import annotations

import json
from pathlib import Path

from cli.inputs import BadInput, read_spec, report_bad_input
from cli.prefect_environment import prepare


def print_permissions(path: Path | None, account: str, as_json: bool) -> int:
    """Print, for one specification or the whole product; returns the exit code."""
    if account != "*" and not account.isdigit():
        report_bad_input(BadInput(f"an account id is a number, not {account!r}", []), as_json)
        return 2
    prepare(verbose=False)
    from config.sources import source_types
    from policy import to_dict
    from tasks.declared import declared, declared_for_product, persona_policies

    try:
        if path is None:
            rows = declared_for_product(account, [kind.service for kind in source_types().values()])
        else:
            rows = declared(read_spec(path), account)
    except BadInput as error:
        report_bad_input(error, as_json)
        return 2
    policies = {persona.value: to_dict(document) for persona, document in persona_policies(rows).items()}
    if as_json:
        print(json.dumps(policies, ensure_ascii=False))
        return 0
    for persona, document in policies.items():
        print(f"# {persona}")
        print(json.dumps(document, indent=2, ensure_ascii=False))
    print("# creator and executor get ram:PassRole on the role by step 2, as grantees of the specification")
    return 0
