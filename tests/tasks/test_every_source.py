"""Each source type, to read and to write, in a standard and a basic workspace, with exactly the minimal permissions.

Minimal on both sides: the role's policy is what the specification generates, and the four people hold exactly what
``onboard permissions`` prints for the specification.
"""

from __future__ import annotations

import pytest

from config.personas import Persona
from config.scheduler import last_business_date
from config.spec import DataSourceSpec
from emulator.server import RunningCloud
from emulator.state import Attachment, Policy, PolicyVersion
from policy import minified
from tasks.declared import declared, persona_policies
from tasks.outcome import Outcome
from tasks.plan import compute_plan
from tests.emulator.sources import TABLES, TYPES, example, writing
from tests.tasks.onboarding import Onboarding

VALUES = {
    "id": "{}", "customer": "customer {}", "amount": "{}.5", "host": "10.0.0.{}", "path": "/{}", "status": "20{}",
    "gid": "{}", "uid": "user {}", "title": "title {}",
}  # fmt: skip
"""A value for each column of the tables, by the row's number."""

PEOPLE = {
    Persona.ADMINISTRATOR: "alice",
    Persona.CREATOR: "carol",
    Persona.DEVELOPER: "dave",
    Persona.EXECUTOR: "erin",
}


def _hold_exactly_the_minimum(local: RunningCloud, spec: DataSourceSpec) -> None:
    """Replace the FullAccess policies of the four people."""
    ram = local.cloud.state.ram
    for persona, document in persona_policies(declared(spec, local.cloud.state.account_id)).items():
        name = f"Minimal-{persona.value}"
        ram.policies[name] = Policy(name=name, versions=[PolicyVersion(id="v1", document=minified(document))])
        ram.users[PEOPLE[persona]].attachments = [Attachment(policy=name)]


def _fill_counterpart(local: RunningCloud, name: str) -> None:
    """Two rows of yesterday in the MaxCompute table of every project."""
    for project in local.cloud.state.data.maxcompute.values():
        table = project.tables[TABLES[name]]
        rows: list[list[str | None]] = [
            [VALUES[column].format(number) for column in table.columns] for number in (7, 8)
        ]
        table.partitions[f"pt={last_business_date():%Y%m%d}"] = rows


@pytest.mark.parametrize("workspace", [10001, 10002], ids=["standard", "basic"])
@pytest.mark.parametrize("access", ["read", "write"])
@pytest.mark.parametrize("name", TYPES)
def test_a_source_is_onboarded_and_synced_with_exactly_the_minimal_permissions(
    local: RunningCloud, name: str, access: str, workspace: int
) -> None:
    local.cloud.settings.adb3_accepts_role = True
    base = example(name) if access == "read" else writing(name)
    spec = base.model_copy(update={"workspace": workspace})
    _hold_exactly_the_minimum(local, spec)
    if access == "write":
        _fill_counterpart(local, name)
    onboarding = Onboarding(local, spec)

    applied = onboarding.apply()

    environments = ["DEV", "PROD"] if workspace == 10001 else ["PROD"]
    assert [environment.name for environment in applied.proofs] == environments
    for proof in applied.proofs.values():
        assert proof.report.outcome is Outcome.CREATED
        assert proof.records_read == proof.records_written
        assert proof.records_read
    assert compute_plan(onboarding.gate, spec, onboarding.facts()).empty
