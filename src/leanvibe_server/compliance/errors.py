"""Refusals of the compliance room."""

from leanvibe_server.kernel.errors import Conflict


class ExportNotReady(Conflict):
    """The file is still being written, has failed, or is gone. Ask for a new one."""
