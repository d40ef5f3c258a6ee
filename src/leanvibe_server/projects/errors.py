"""Refusals of the projects room."""

from leanvibe_server.kernel.errors import Conflict


class ProjectBusy(Conflict):
    """Tasks of the project are under way. Cancel them, or wait for their end."""


class CredentialsUnreadable(Conflict):
    """The keys that sealed the project's credentials were destroyed. Enter them anew."""
