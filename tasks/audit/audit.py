"""The audit of workspaces or of the whole account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cloud.gate import Gate
from config.limits import DATAWORKS, RAM, STS
from config.spec import DataSourceSpec
from tasks.audit.access import AccessChain, access_chains
from tasks.audit.data_sources import data_source_findings
from tasks.audit.drift import drift_findings
from tasks.audit.finding import AuditFinding, in_order
from tasks.audit.grants import grant_findings
from tasks.audit.passing import Passing
from tasks.audit.places import Places
from tasks.audit.quotas import quota_findings
from tasks.audit.reading import read_account
from tasks.audit.roles import role_findings
from tasks.audit.sync_tasks import sync_task_findings
from tasks.audit.timed_grants import timed_grant_findings


@dataclass(frozen=True)
class Audit:
    """What was found at one moment. `taken_at` is in seconds since the epoch, `calls` by product.

    `findings` are the most severe first; `unread` tells what could not be read, and why: an audit never says "clean"
    about what it has not seen.
    """

    account_id: str
    region: str
    workspaces: tuple[int, ...]
    taken_at: float
    data_sources: int
    roles: int
    calls: Mapping[str, int]
    findings: tuple[AuditFinding, ...]
    chains: tuple[AccessChain, ...]
    unread: tuple[str, ...]


def audit(gate: Gate, workspaces: Sequence[int] | None = None, specs: Sequence[DataSourceSpec] = ()) -> Audit:
    """Audit some workspaces, or all of the account and region; `specs` are compared with what they describe.

    Specifications of another region cannot be compared: that is told. Raises ``ValueError`` for specifications that
    disagree about a role, and a call's error for what concerns everything: credentials, a list of workspaces that may
    not be read, a service that does not answer.
    """
    products = (RAM, STS, DATAWORKS)
    before = {product: gate.journal.total(product) for product in products}
    taken_at = gate.clock.now()
    account, unread = read_account(gate, workspaces)
    passing, places = Passing(account, taken_at), Places(account)
    here = [spec for spec in specs if spec.region == account.region]
    elsewhere = tuple(
        f"specification {spec.name} of workspace {spec.workspace}: it is of region {spec.region}"
        for spec in specs
        if spec.region != account.region
    )
    findings = in_order(
        [
            *data_source_findings(account),
            *role_findings(account, places),
            *grant_findings(account, passing),
            *timed_grant_findings(account, taken_at),
            *sync_task_findings(account),
            *quota_findings(account),
            *drift_findings(gate, here, account, passing),
        ]
    )
    return Audit(
        account_id=account.account_id,
        region=account.region,
        workspaces=tuple(sorted(account.workspaces)),
        taken_at=taken_at,
        data_sources=len({(source.workspace, source.name) for source in account.sources}),
        roles=sum(1 for _ in account.concerned_roles()),
        calls={product: gate.journal.total(product) - before[product] for product in products},
        findings=findings,
        chains=access_chains(account, passing, places),
        unread=(*unread, *elsewhere),
    )
