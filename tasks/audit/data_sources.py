"""Rules about data sources: their mode, their role, their connectivity, and development against production."""

from __future__ import annotations

from collections.abc import Iterator

from config.personas import Persona
from config.sources.base import Environment
from tasks.adopting.location import source_type_of
from tasks.audit.account import Account, AuditedSource, AuditedWorkspace
from tasks.audit.finding import DATA_SOURCE, AuditFinding, found

# Keys of Content that differ between environments by their nature; the role is a question of its own.
_OF_ENVIRONMENT = frozenset({"authType", "authIdentity", "envType"})


def data_source_findings(account: Account) -> Iterator[AuditFinding]:
    """Everything about data sources that belong to no engine."""
    for source in account.sources:
        yield from _key(source)
        yield from _role(account, source)
        yield from _connectivity(account, source)
    for space in account.workspaces.values():
        if space.standard:
            yield from _environments(account, space)


def _key(source: AuditedSource) -> Iterator[AuditFinding]:
    if not source.inspected.access_key:
        return
    end = source.inspected.key_end
    known = source_type_of(source.inspected.source.type) is not None
    command = f"onboard migrate --workspace {source.workspace} --only {source.name}" if known else ""
    yield found(
        "AUD101", DATA_SOURCE, str(source),
        f"it is opened with an AccessKey{f' whose id ends in {end}' if end else ''}",
        Persona.CREATOR,
        f"run `{command}`, then disable the key" if command else
        f"open it in another mode by hand: data sources of type {source.inspected.source.type} cannot be migrated here",
        workspace=source.workspace, command=command,
    )  # fmt: skip


def _role(account: Account, source: AuditedSource) -> Iterator[AuditFinding]:
    if source.role_id is None or account.roles is None:
        return
    role = account.role_of(source)
    if role is None:
        what = f"it is opened with role id {source.role_id}, and no role of the account has it"
        yield found("AUD102", DATA_SOURCE, str(source), what, Persona.CREATOR, workspace=source.workspace)
    elif not role.managed and source.tag not in account.managed_tags:
        yield found(
            "AUD106", DATA_SOURCE, str(source),
            f"its role {role.name} was not made here, and no specification of it is known",
            Persona.ADMINISTRATOR, workspace=source.workspace,
            command=f"onboard adopt --workspace {source.workspace} --name {source.name}",
        )  # fmt: skip
    elif not (role.managed and role.serves(source)):
        what = f"it is opened with role {role.name} (id {role.role_id}), which was not made for it"
        yield found("AUD103", DATA_SOURCE, str(source), what, Persona.CREATOR, workspace=source.workspace)


def _connectivity(account: Account, source: AuditedSource) -> Iterator[AuditFinding]:
    """Onboarding ends with a passed test in each environment; what was not onboarded may never have been tested."""
    onboarded = source.tag in account.managed_tags and not source.inspected.access_key
    if onboarded and not source.inspected.source.connected:
        what = "its last connectivity test did not pass, or it was changed since it was tested"
        yield found("AUD104", DATA_SOURCE, str(source), what, Persona.CREATOR, workspace=source.workspace)


def _environments(account: Account, space: AuditedWorkspace) -> Iterator[AuditFinding]:
    by_name: dict[str, dict[Environment, AuditedSource]] = {}
    for source in space.sources or ():
        if not source.inspected.engine:
            by_name.setdefault(source.name, {})[source.environment] = source
    for name, both in by_name.items():
        subject = f"data source {name} of workspace {space.id}"
        for what in _out_of_step(account, both):
            yield found("AUD105", DATA_SOURCE, subject, what, Persona.CREATOR, workspace=space.id)


def _out_of_step(account: Account, both: dict[Environment, AuditedSource]) -> Iterator[str]:
    """At most one reason: the first is what the others follow from."""
    if len(both) < len(Environment):
        (there,) = both
        (absent,) = (one for one in Environment if one is not there)
        yield f"it exists in {there.name} and not in {absent.name}"
        return
    dev, prod = both[Environment.DEV], both[Environment.PROD]
    left, right = dev.inspected.source, prod.inspected.source
    if left.type != right.type:
        yield f"its type is {left.type} in DEV and {right.type} in PROD"
    elif dev.inspected.access_key != prod.inspected.access_key:
        keyed, other = ("DEV", "PROD") if dev.inspected.access_key else ("PROD", "DEV")
        yield f"it is opened with an AccessKey in {keyed} and without one in {other}"
    elif prod.tag in account.managed_tags:  # a specification has one location for both
        keys = {*left.content, *right.content} - _OF_ENVIRONMENT
        differing = sorted(key for key in keys if left.content.get(key) != right.content.get(key))
        if differing:
            yield f"the environments differ in {', '.join(differing)}"
