"""All methods of the Web API that the workspace speaks."""

from sandbox.workspace import (
    api_bookmarks,
    api_chat,
    api_conversations,
    api_files,
    api_members,
    api_reactions,
    api_team,
    api_usergroups,
    api_users,
    api_views,
)
from sandbox.workspace.methods import Registry

REGISTRY = Registry()
for family in (
    api_bookmarks, api_chat, api_conversations, api_files, api_members, api_reactions, api_team, api_usergroups,
    api_users, api_views,
):  # fmt: skip
    REGISTRY.add(*family.METHODS)
