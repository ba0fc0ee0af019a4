"""Tags of roles and policies: TagResources, UntagResources, ListTagResources."""

from __future__ import annotations

from config import limits
from emulator.authorization import find_role
from emulator.errors import ApiError
from emulator.ram.lookups import changing, resource
from emulator.ram.paging import cut, decode_marker, encode_marker
from emulator.ram.validation import checked_choice, checked_number, has_tags, tag_pairs, text_list
from emulator.registry import RAM, Answer, Call, Needed, Param, action
from emulator.state import Policy, Role

_TYPE = Param("ResourceType", required=True)
_NAMES = Param("ResourceNames", list)
_PAGE_ITEMS = 100  # ListTagResources.PageSize: 1-100


def _kind(call: Call) -> str:
    return checked_choice(call, "ResourceType", ("role", "policy"))


def _names(call: Call, *, required: bool = True) -> list[str]:
    names = text_list(call, "ResourceNames", limits.TAG_RESOURCE_NAMES_PER_CALL)
    if required and not names:
        raise RAM.missing("ResourceNames", call.cloud.settings.missing_parameter_code)
    return names


def _needed(verb: str, call: Call) -> list[Needed]:
    """The permission on each named resource, on all of the type when none is named."""
    kind, names = _kind(call), _names(call, required=False) or ["*"]
    return [Needed(f"ram:{verb}", resource(call, kind, name)) for name in names]


def _find(call: Call, name: str) -> Role | Policy:
    """A resource by its name. Raises ``EntityNotExist.Role`` or ``.Policy``."""
    ram = call.cloud.state.ram
    kind = _kind(call)
    found: Role | Policy | None = find_role(ram, name) if kind == "role" else ram.policies.get(name)
    if found is None:
        raise ApiError(f"EntityNotExist.{kind.capitalize()}")
    return found


@action(
    RAM,
    "TagResources",
    _TYPE,
    _NAMES,
    Param("Tag", list),
    write=True,
    needs=lambda call: _needed("TagResources", call),
)
@changing
def tag_resources(call: Call) -> Answer:
    """Adds tags, or replaces the values of keys that are there; all resources or none."""
    tags = {key: value or "" for key, value in tag_pairs(call).items()}
    if not tags:
        raise RAM.missing("Tag", call.cloud.settings.missing_parameter_code)
    found = [_find(call, name) for name in _names(call)]
    for one in found:
        if len({**one.tags, **tags}) > limits.TAGS_PER_RESOURCE:
            # Code and text are assumed: no page was found that lists them.
            raise ApiError(
                f"LimitExceeded.{_kind(call).capitalize()}.Tag",
                "The count of tags beyond the current limits.",
                status=409,
            )
    for one in found:
        one.tags = {**one.tags, **tags}
    return {}


@action(
    RAM,
    "UntagResources",
    _TYPE,
    _NAMES,
    Param("TagKeys", list),
    Param("All", bool),
    write=True,
    needs=lambda call: _needed("UntagResources", call),
)
@changing
def untag_resources(call: Call) -> Answer:
    """Removes the named keys, or all tags when ``All`` is true and no key is named."""
    keys = text_list(call, "TagKeys", limits.TAGS_PER_RESOURCE)
    everything = not keys and bool(call.params.get("All", False))
    if not keys and not everything:
        raise RAM.missing("TagKeys", call.cloud.settings.missing_parameter_code)
    for one in [_find(call, name) for name in _names(call)]:
        one.tags = {} if everything else {key: value for key, value in one.tags.items() if key not in keys}
    return {}


@action(
    RAM,
    "ListTagResources",
    _TYPE,
    _NAMES,
    Param("Tag", list),
    Param("NextToken"),
    Param("PageSize", int),
    needs=lambda call: _needed("ListTagResources", call),
)
def list_tag_resources(call: Call) -> Answer:
    """One item for each tag of each resource; names that do not exist have none."""
    ram = call.cloud.state.ram
    kind, names, wanted = _kind(call), _names(call, required=False), tag_pairs(call)
    owners: list[Role | Policy] = list(ram.roles.values()) if kind == "role" else list(ram.policies.values())
    items = [
        (
            f"{one.name}\n{key}",
            {"ResourceName": one.name, "ResourceType": kind, "TagKey": key, "TagValue": value},
        )
        for one in owners
        if (not names or one.name in names) and has_tags(one.tags, wanted)
        for key, value in one.tags.items()
    ]
    size = checked_number(call, "PageSize", 1, _PAGE_ITEMS, _PAGE_ITEMS)
    shown, last = cut(items, decode_marker(call, "NextToken"), size)
    more = {} if last is None else {"NextToken": encode_marker(last)}
    return {"TagResources": shown, **more}
