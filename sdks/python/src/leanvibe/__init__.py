"""Python client for LeanVibe Enterprise."""

from leanvibe._retries import RetryPolicy
from leanvibe._version import VERSION
from leanvibe.client import LeanVibeClient, LeanVibeClientSync
from leanvibe.exceptions import LeanVibeError
from leanvibe.pagination import Page
from leanvibe.tokens import MemoryTokenStore, Tokens, TokenStore

__version__ = VERSION
__all__ = [
    "LeanVibeClient",
    "LeanVibeClientSync",
    "LeanVibeError",
    "MemoryTokenStore",
    "Page",
    "RetryPolicy",
    "TokenStore",
    "Tokens",
]
