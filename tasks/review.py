"""What a security administrator should know of a specification's documents and location: lint, ignores, prerequisites.

The documents are those that applying would leave behind, adopted and shared parts included.
"""

from __future__ import annotations

from collections.abc import Iterator

from config.limits import POLICY_DOCUMENT_CHARACTERS
from config.names import SERVICE_PRINCIPAL
from config.spec import DataSourceSpec
from policy.findings import Finding, Ignored, Severity, apply_ignores
from policy.lint import lint_identity, lint_pass_role, lint_trust
from tasks.pass_role import GrantState, wanted_grant
from tasks.role import RoleState, wanted_document, wanted_trust


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
        *lint_pass_role(
            wanted_grant(spec, account_id, grant),
            name=spec.pass_role_policy_name,
            expected_services={*kind.pass_role_services(SERVICE_PRINCIPAL)},
        ),
        *_about_location(spec),
    ]
    return apply_ignores(findings, spec.ignore)


def _not_needed(spec: DataSourceSpec) -> frozenset[str]:
    """Deleting and creating actions, less those that the sync task itself makes necessary."""
    needed = {permission.action for permission in spec.minimal_permissions()}
    return frozenset(spec.source_type.destructive_actions - needed)


def _about_location(spec: DataSourceSpec) -> Iterator[Finding]:
    titles = spec.source_type.finding_codes
    for found in spec.location_findings():
        yield Finding(found.code, titles[found.code], Severity.LOW, "location", found.message, found.fix)
