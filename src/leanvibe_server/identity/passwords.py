"""Passwords: what is accepted, and how they are kept.

A password is compared after NFKC normalisation, so that it does not matter how a keyboard
composes its characters. Length is what counts; there are no rules of composition.
Source: NIST SP 800-63B-4, section 3.1.1; OWASP Password Storage Cheat Sheet.
"""

import asyncio
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from leanvibe_server.kernel.errors import InvalidRequest, ServiceUnavailable
from leanvibe_server.kernel.house import House

MIN_LENGTH = 12
MAX_LENGTH = 1024
MAX_WAITING = 64

_COMMON = frozenset(
    files("leanvibe_server.identity").joinpath("common_passwords.txt").read_text().split()
)

Answer = TypeVar("Answer")


def normalise(password: str) -> str:
    """The form in which passwords are measured, hashed and compared."""
    return unicodedata.normalize("NFKC", password)


def check_policy(password: str, *, personal: tuple[str, ...] = ()) -> None:
    """Refuse a password that is too short or among the first anyone would try.

    `personal` are words that belong to the account, such as its e-mail address.
    Raises: InvalidRequest.
    """
    text = normalise(password)
    if len(text) < MIN_LENGTH:
        raise _unfit(f"must have at least {MIN_LENGTH} characters")
    if len(text) > MAX_LENGTH:
        raise _unfit(f"must have at most {MAX_LENGTH} characters")
    folded = text.casefold()
    if folded in _COMMON or len(set(folded)) < 4:
        raise _unfit("is too common: choose one that others would not think of")
    if folded in {word.casefold() for word in personal}:
        raise _unfit("must not be your e-mail address or name")


class PasswordDesk:
    """Hashes and compares in a few threads of its own, so that sign-ins never starve the rest.

    Argon2id with 12 MiB, three passes, one lane; a comparison for nobody costs the same.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher(
            time_cost=3, memory_cost=12 * 1024, parallelism=1, type=Type.ID
        )
        workers = max(2, min(4, (os.cpu_count() or 2)))
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="argon2")
        self._waiting = 0
        self._nobody = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """The hash to keep.

        Raises: ServiceUnavailable: too many are waiting already.
        """
        return await self._run(lambda: self._hasher.hash(normalise(password)))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the one behind the hash; None stands for nobody's.

        Raises: ServiceUnavailable: too many are waiting already.
        """

        def compare() -> bool:
            try:
                right = self._hasher.verify(password_hash or self._nobody, normalise(password))
            except (VerificationError, InvalidHashError):
                return False
            return right and password_hash is not None

        return await self._run(compare)

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    async def _run(self, work: Callable[[], Answer]) -> Answer:
        if self._waiting >= MAX_WAITING:
            raise ServiceUnavailable(
                "Too many sign-ins at once. Try again in a moment.", headers={"Retry-After": "2"}
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def desk_of(house: House) -> PasswordDesk:
    """The one desk of this process."""
    if PasswordDesk not in house.parts:
        house.place(PasswordDesk())
    return house.part(PasswordDesk)


def _unfit(why: str) -> InvalidRequest:
    return InvalidRequest(
        f"The password {why}.",
        details={"field": "password", "validation_errors": [f"password: {why}"]},
    )
