"""What a security administrator should know of a specification's documents and location: lint, ignores, prerequisites.

The documents are those that applying would leave behind, adopted and shared parts included.
"""

from __future__ import annotations

from collections.abc import Iterator

from config.limits import POLICY_DOCUMENT_CHARACTERS
from config.names import SERVICE_PRINCIPAL
from config.sources import source_types
from config.spec import DataSourceSpec
from policy.findings import Finding, Ignored, Severity, apply_ignores
from policy.lint import lint_identity, lint_pass_role, lint_trust
from tasks.grant_plan import GrantState, plan_grants
from tasks.role import RoleState, wanted_document, wanted_trust
from tasks.role_group import RoleGroup


def review(
    spec: DataSourceSpec, account_id: str, state: RoleState, grant: GrantState
) -> tuple[tuple[Finding, ...], tuple[Ignored, ...]]:
    """Findings that stand, and those the specification accepts with a reason."""
    kind = spec.source_type
    findings = [
        *lint_identity(
            wanted_document(spec, state),
            name=spec.policy_name,
            known_actions=kind.known_actions,
            destructive_actions=_not_needed(spec),
            limit=POLICY_DOCUMENT_CHARACTERS,
        ),
        *lint_trust(
            wanted_trust(spec, state.role),
            account_id=account_id,
            name=spec.role_name,
            expected_service=SERVICE_PRINCIPAL,
        ),
        *_about_grant(spec, account_id, grant),
        *_about_location(spec),
    ]
    return apply_ignores(findings, spec.ignore)


def _about_grant(spec: DataSourceSpec, account_id: str, grant: GrantState) -> Iterator[Finding]:
    """The policies that carry the grant; a folded one passes roles of data sources of any type."""
    group = RoleGroup.of(spec)
    own = {*spec.source_type.pass_role_services(SERVICE_PRINCIPAL)}
    every = {*own, *(kind.service for kind in source_types().values())}
    plan = plan_grants((group,), account_id, {group.role_name: grant})
    for name, document in plan.documents(group).items():
        expected = own if name == group.pass_role_policy_name else every
        yield from lint_pass_role(document, name=name, expected_services=expected)


def _not_needed(spec: DataSourceSpec) -> frozenset[str]:
    """Deleting and creating actions, less those that the sync task itself makes necessary."""
    needed = {permission.action for permission in spec.minimal_permissions()}
    return frozenset(spec.source_type.destructive_actions - needed)


def _about_location(spec: DataSourceSpec) -> Iterator[Finding]:
    titles = spec.source_type.finding_codes
    for found in spec.location_findings():
        yield Finding(found.code, titles[found.code], Severity.LOW, "location", found.message, found.fix)
