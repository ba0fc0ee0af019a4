"""Users, groups and memberships through the vendor's SDK."""

from __future__ import annotations

from typing import Any

import pytest
from alibabacloud_ram20150501 import models as m

from config import limits
from emulator.server import RunningCloud
from emulator.state import Group, Member, User
from tests.emulator.clients import ram, refused


def join(local: RunningCloud, user: str = "carol", group: str = "data-platform") -> None:
    """AddUserToGroup."""
    ram(local).add_user_to_group(m.AddUserToGroupRequest(user_name=user, group_name=group))


def leave(local: RunningCloud, user: str = "carol", group: str = "data-platform") -> None:
    """RemoveUserFromGroup."""
    ram(local).remove_user_from_group(m.RemoveUserFromGroupRequest(user_name=user, group_name=group))


def members(local: RunningCloud) -> list[str]:
    """ListUsersForGroup of data-platform."""
    body = ram(local).list_users_for_group(m.ListUsersForGroupRequest(group_name="data-platform")).body
    return [one.user_name for one in body.users.user]


def groups_of(local: RunningCloud, user: str = "carol") -> list[str]:
    """ListGroupsForUser."""
    body = ram(local).list_groups_for_user(m.ListGroupsForUserRequest(user_name=user)).body
    return [one.group_name for one in body.groups.group]


def test_a_user_is_made_once(local: RunningCloud) -> None:
    made = ram(local).create_user(m.CreateUserRequest(user_name="u_1.x", display_name="U")).body.user
    assert ram(local).get_user(m.GetUserRequest(user_name="u_1.x")).body.user.user_id == made.user_id
    assert len(made.user_id) == 18
    with refused("EntityAlreadyExists.User", 409):
        ram(local).create_user(m.CreateUserRequest(user_name="u_1.x"))


def test_a_group_is_made_once(local: RunningCloud) -> None:
    made = ram(local).create_group(m.CreateGroupRequest(group_name="g-1", comments="c")).body.group
    read = ram(local).get_group(m.GetGroupRequest(group_name="g-1")).body.group
    assert (read.group_id, read.comments) == (made.group_id, "c")
    with refused("EntityAlreadyExists.Group", 409):
        ram(local).create_group(m.CreateGroupRequest(group_name="g-1"))


@pytest.mark.parametrize(
    ("name", "reason"), [("with space", "InvalidChars"), ("a@b", "InvalidChars"), ("x" * 65, "Length")]
)
def test_names_that_are_refused(local: RunningCloud, name: str, reason: str) -> None:
    with refused(f"InvalidParameter.UserName.{reason}", 400):
        ram(local).create_user(m.CreateUserRequest(user_name=name))
    with refused(f"InvalidParameter.GroupName.{reason}", 400):
        ram(local).create_group(m.CreateGroupRequest(group_name=name))


def test_comments_have_a_limit(local: RunningCloud) -> None:
    with refused("InvalidParameter.Comments.Length", 400):
        ram(local).create_user(m.CreateUserRequest(user_name="u1", comments="x" * 129))
    with refused("InvalidParameter.Comments.Length", 400):
        ram(local).create_group(m.CreateGroupRequest(group_name="g1", comments="x" * 129))


def test_quotas_of_users_and_groups(local: RunningCloud) -> None:
    state = local.cloud.state.ram
    state.users.update(
        {f"f{n}": User(name=f"f{n}") for n in range(limits.USERS_PER_ACCOUNT - len(state.users))}
    )
    state.groups.update(
        {f"f{n}": Group(name=f"f{n}") for n in range(limits.GROUPS_PER_ACCOUNT - len(state.groups))}
    )
    with refused("LimitExceeded.User", 409):
        ram(local).create_user(m.CreateUserRequest(user_name="u1"))
    with refused("LimitExceeded.Group", 409):
        ram(local).create_group(m.CreateGroupRequest(group_name="g1"))


def test_a_user_joins_and_leaves(local: RunningCloud) -> None:
    assert members(local) == ["dave", "erin"]
    join(local)
    assert members(local) == ["carol", "dave", "erin"]
    assert groups_of(local) == ["data-platform"]
    leave(local)
    assert members(local) == ["dave", "erin"]
    assert groups_of(local) == []


def test_joining_or_leaving_twice_is_refused(local: RunningCloud) -> None:
    join(local)
    with refused("EntityAlreadyExists.User.Group", 409, "The user has already joined the group."):
        join(local)
    leave(local)
    with refused("EntityNotExist.User.Group", 404):
        leave(local)


def test_who_or_what_does_not_exist(local: RunningCloud) -> None:
    for call in (join, leave):
        with refused("EntityNotExist.User", 404):
            call(local, user="nobody")
        with refused("EntityNotExist.Group", 404):
            call(local, group="nothing")
    with refused("EntityNotExist.User", 404):
        groups_of(local, "nobody")
    with refused("EntityNotExist.Group", 404, "The group does not exist."):
        ram(local).get_group(m.GetGroupRequest(group_name="nothing"))


def test_a_user_joins_ten_groups(local: RunningCloud) -> None:
    for number in range(limits.GROUPS_PER_USER):
        member = [Member(user="carol")]
        local.cloud.state.ram.groups[f"g{number}"] = Group(name=f"g{number}", members=member)
    with refused("LimitExceeded.User.Group", 409):
        join(local)


def _pages(call: Any, items: Any) -> tuple[list[str], int]:
    """All names over the pages, and how many pages there were."""
    names: list[str] = []
    marker, pages = None, 0
    while True:
        body = call(marker)
        names += items(body)
        pages += 1
        if not body.is_truncated:
            return names, pages
        marker = body.marker


def test_pages_of_users_groups_and_members_hold_everything_once(local: RunningCloud) -> None:
    client = ram(local)
    for number in range(3):
        local.cloud.state.ram.groups[f"g{number}"] = Group(name=f"g{number}", id=f"g-{number}")
    found, pages = _pages(
        lambda marker: client.list_users(m.ListUsersRequest(marker=marker, max_items=2)).body,
        lambda body: [one.user_name for one in body.users.user],
    )
    assert (found, pages) == (["alice", "carol", "dave", "erin", "mallory"], 3)
    found, pages = _pages(
        lambda marker: client.list_groups(m.ListGroupsRequest(marker=marker, max_items=2)).body,
        lambda body: [one.group_name for one in body.groups.group],
    )
    assert (found, pages) == (["data-platform", "g0", "g1", "g2"], 2)
    found, pages = _pages(
        lambda marker: (
            client.list_users_for_group(
                m.ListUsersForGroupRequest(group_name="data-platform", marker=marker, max_items=1)
            ).body
        ),
        lambda body: [one.user_name for one in body.users.user],
    )
    assert (found, pages) == (["dave", "erin"], 2)


def test_a_page_of_groups_has_at_most_a_hundred(local: RunningCloud) -> None:
    with refused("InvalidParameter.MaxItems", 400):
        ram(local).list_groups(m.ListGroupsRequest(max_items=101))
