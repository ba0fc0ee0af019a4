"""Users and groups: CreateUser, GetUser, ListUsers, CreateGroup, GetGroup, ListGroups, and memberships.

Users and groups cannot be deleted here: the account file makes those a test needs.
"""

from __future__ import annotations

from config import limits
from emulator.clock import iso8601
from emulator.errors import ApiError
from emulator.ram.lookups import changing, group_of, needs_on, needs_on_all, user_of
from emulator.ram.paging import page
from emulator.ram.validation import checked_name, checked_text
from emulator.registry import RAM, Answer, Call, Param, action
from emulator.state import Group, Member, User

_USER_NAME = Param("UserName", required=True)
_GROUP_NAME = Param("GroupName", required=True)
_TEXT_CHARACTERS = 128  # DisplayName and Comments: 1-128, pages CreateUser and CreateGroup


def _shown_user(user: User) -> Answer:
    return {
        "UserId": user.id,
        "UserName": user.name,
        "DisplayName": user.display_name,
        "Comments": user.comments,
        "Email": user.email,
        "MobilePhone": user.mobile_phone,
        "CreateDate": iso8601(user.created),
    }


def _shown_group(group: Group) -> Answer:
    return {
        "GroupId": group.id,
        "GroupName": group.name,
        "Comments": group.comments,
        "CreateDate": iso8601(group.created),
    }


@action(
    RAM,
    "CreateUser",
    _USER_NAME,
    Param("DisplayName"),
    Param("Comments"),
    Param("Email"),
    Param("MobilePhone"),
    write=True,
    needs=needs_on("CreateUser", "UserName"),
)
@changing
def create_user(call: Call) -> Answer:
    """A user without AccessKeys."""
    ram = call.cloud.state.ram
    name = checked_name(call, "UserName")
    display_name = checked_text(call, "DisplayName", _TEXT_CHARACTERS)
    comments = checked_text(call, "Comments", _TEXT_CHARACTERS)
    if name in ram.users:
        raise ApiError("EntityAlreadyExists.User", "The user does already EXIST.")
    if len(ram.users) >= limits.USERS_PER_ACCOUNT:
        raise ApiError("LimitExceeded.User", "The count of users beyond the current limits.", status=409)
    now = call.cloud.clock.now()
    user = User(
        name=name,
        id=call.cloud.state.identifiers.digits("2"),
        created=now,
        updated=now,
        display_name=display_name,
        comments=comments,
        email=call.text("Email"),
        mobile_phone=call.text("MobilePhone"),
    )
    ram.users[name] = user
    return {"User": _shown_user(user)}


@action(RAM, "GetUser", _USER_NAME, needs=needs_on("GetUser", "UserName"))
def get_user(call: Call) -> Answer:
    """``LastLoginDate`` is left out: nobody logs on to a console here."""
    user = user_of(call)
    return {"User": {**_shown_user(user), "UpdateDate": iso8601(user.updated)}}


@action(RAM, "ListUsers", Param("Marker"), Param("MaxItems", int), needs=needs_on_all("ListUsers", "user"))
def list_users(call: Call) -> Answer:
    """All users of the account."""
    users = call.cloud.state.ram.users
    shown, more = page(call, users.items(), limits.RAM_PAGE_ITEMS, limits.RAM_PAGE_ITEMS_DEFAULT)
    return {
        "Users": {"User": [{**_shown_user(user), "UpdateDate": iso8601(user.updated)} for user in shown]},
        **more,
    }


@action(
    RAM,
    "CreateGroup",
    _GROUP_NAME,
    Param("Comments"),
    write=True,
    needs=needs_on("CreateGroup", "GroupName"),
)
@changing
def create_group(call: Call) -> Answer:
    """An empty group."""
    ram = call.cloud.state.ram
    name = checked_name(call, "GroupName")
    comments = checked_text(call, "Comments", _TEXT_CHARACTERS)
    if name in ram.groups:
        raise ApiError("EntityAlreadyExists.Group", "The group does already EXIST.")
    if len(ram.groups) >= limits.GROUPS_PER_ACCOUNT:
        raise ApiError("LimitExceeded.Group", "The count of groups beyond the current limits.", status=409)
    now = call.cloud.clock.now()
    group_id = f"g-{call.cloud.state.identifiers.digits('4')}"
    group = Group(name=name, id=group_id, created=now, updated=now, comments=comments)
    ram.groups[name] = group
    return {"Group": _shown_group(group)}


@action(RAM, "GetGroup", _GROUP_NAME, needs=needs_on("GetGroup", "GroupName"))
def get_group(call: Call) -> Answer:
    """The group without its members."""
    group = group_of(call)
    return {"Group": {**_shown_group(group), "UpdateDate": iso8601(group.updated)}}


@action(RAM, "ListGroups", Param("Marker"), Param("MaxItems", int), needs=needs_on_all("ListGroups", "group"))
def list_groups(call: Call) -> Answer:
    """All groups of the account."""
    groups = call.cloud.state.ram.groups
    shown, more = page(call, groups.items(), limits.RAM_GROUP_PAGE_ITEMS, limits.RAM_GROUP_PAGE_ITEMS)
    items = [{**_shown_group(group), "UpdateDate": iso8601(group.updated)} for group in shown]
    return {"Groups": {"Group": items}, **more}


@action(RAM, "ListGroupsForUser", _USER_NAME, needs=needs_on("ListGroupsForUser", "UserName"))
def list_groups_for_user(call: Call) -> Answer:
    """The groups of a user, with the dates it joined."""
    name = user_of(call).name
    items = [
        {
            "GroupId": group.id,
            "GroupName": group.name,
            "Comments": group.comments,
            "JoinDate": iso8601(member.joined or group.created),
        }
        for group in call.cloud.state.ram.groups.values()
        for member in group.members
        if member.user == name
    ]
    return {"Groups": {"Group": items}}


@action(
    RAM,
    "ListUsersForGroup",
    _GROUP_NAME,
    Param("Marker"),
    Param("MaxItems", int),
    needs=needs_on("ListUsersForGroup", "GroupName"),
)
def list_users_for_group(call: Call) -> Answer:
    """The members of a group."""
    group = group_of(call)
    users = call.cloud.state.ram.users
    found = [(member.user, member) for member in group.members]
    shown, more = page(call, found, limits.RAM_PAGE_ITEMS, limits.RAM_PAGE_ITEMS_DEFAULT)
    items = [
        {
            "UserName": member.user,
            "DisplayName": users[member.user].display_name,
            "JoinDate": iso8601(member.joined or group.created),
        }
        for member in shown
    ]
    return {"Users": {"User": items}, **more}


@action(
    RAM,
    "AddUserToGroup",
    _USER_NAME,
    _GROUP_NAME,
    write=True,
    needs=needs_on("AddUserToGroup", "UserName", "GroupName"),
)
@changing
def add_user_to_group(call: Call) -> Answer:
    """A second time is refused."""
    user, group = user_of(call), group_of(call)
    if any(member.user == user.name for member in group.members):
        raise ApiError("EntityAlreadyExists.User.Group")
    joined = [
        one
        for one in call.cloud.state.ram.groups.values()
        if any(member.user == user.name for member in one.members)
    ]
    if len(joined) >= limits.GROUPS_PER_USER:
        raise ApiError(
            "LimitExceeded.User.Group",
            "The count of groups of the user beyond the current limits.",
            status=409,
        )
    group.members.append(Member(user=user.name, joined=call.cloud.clock.now()))
    return {}


@action(
    RAM,
    "RemoveUserFromGroup",
    _USER_NAME,
    _GROUP_NAME,
    write=True,
    needs=needs_on("RemoveUserFromGroup", "UserName", "GroupName"),
)
@changing
def remove_user_from_group(call: Call) -> Answer:
    """A user that is no member is refused; code and text are assumed from their siblings."""
    user, group = user_of(call), group_of(call)
    for member in group.members:
        if member.user == user.name:
            group.members.remove(member)
            return {}
    raise ApiError("EntityNotExist.User.Group", "The user does not belong to the group.", status=404)
