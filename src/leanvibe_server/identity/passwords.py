"""Passwords: what is accepted, and how they are kept.

A password is compared after NFKC normalisation, so that it does not matter how a keyboard
composes its characters. Length is what counts; there are no rules of composition.
Source: NIST SP 800-63B-4, section 3.1.1; OWASP Password Storage Cheat Sheet.
"""

import asyncio
import os
import re
import unicodedata
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.resources import files
from itertools import pairwise
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import hash_secret_raw

from leanvibe_server.kernel.errors import InvalidRequest, ServiceUnavailable, invalid_field
from leanvibe_server.kernel.house import House

# Where the password is all that is asked for, and where everybody has a second factor beside it.
MIN_LENGTH = 15
MIN_LENGTH_BESIDE_FACTOR = 8
MAX_LENGTH = 1024
MAX_WAITING = 64
# While so many more are being compared, or wait for it, so many answers leave at once.
BUSY = 2
TOGETHER = 4
# Longer than a few comparisons take, shorter than people notice.
BEAT_S = 0.2
PRODUCT = "leanvibe"

_COMMON = frozenset(
    files("leanvibe_server.identity").joinpath("common_passwords.txt").read_text().split()
)
# Letters people write as something else, and think that nobody would come upon it.
_DISGUISES = str.maketrans("0134578@$!+|", "oieastbasiti")
_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "0123456789",
    "1234567890",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "1q2w3e4r5t6y7u8i9o0p",
)
_STEPS = frozenset(
    pair for row in (*_ROWS, *(row[::-1] for row in _ROWS)) for pair in pairwise(row)
)
# What of a password must be left beside the words that anyone would try first.
_OWN_PART = 8
_SHORTEST_WORD = 3

Answer = TypeVar("Answer")


def normalise(password: str) -> str:
    """The form in which passwords are measured, hashed and compared."""
    return unicodedata.normalize("NFKC", password)


def check_policy(
    password: str,
    *,
    personal: tuple[str, ...] = (),
    min_length: int = MIN_LENGTH,
    field: str = "password",
) -> None:
    """Refuse a password that is too short or among the first anyone would try.

    `personal` are words that belong to the account, such as its e-mail address and organisation.
    Raises: InvalidRequest: naming `field`.
    """
    text = normalise(password)
    # Some characters unfold into many, others into less: what was typed counts, and what is kept.
    if min(len(password), len(text)) < min_length:
        raise unfit(f"must have at least {min_length} characters", field)
    if len(text) > MAX_LENGTH:
        raise unfit(f"must have at most {MAX_LENGTH} characters", field)
    folded = text.casefold()
    if is_common(folded):
        raise unfit("is too common: choose one that others would not think of", field)
    if _is_made_of(folded, personal):
        raise unfit("must be more than your name, e-mail address or organisation", field)


def is_common(folded: str) -> bool:
    """Whether a password is among the first anyone would try: a well-known one, also in disguise
    or with something before or after it, or a mere pattern."""
    return (
        len(set(folded)) < 4
        or _is_pattern(folded)
        or any(_is_known(form) for form in (folded, *_bare_forms(folded)))
    )


def _is_known(form: str) -> bool:
    """Whether this is one of the words, or two of them together."""
    joined = form.replace(" ", "")
    return form in _COMMON or any(
        joined[:at] in _COMMON and joined[at:] in _COMMON
        for at in range(_SHORTEST_WORD, len(joined) - _SHORTEST_WORD + 1)
    )


def _bare_forms(folded: str) -> Iterator[str]:
    """A password without the decoration around its word, and without its disguise."""
    for text in (folded, folded.translate(_DISGUISES)):
        yield "".join(letter for letter in text if letter.isalpha() or letter == " ").strip()
    core = re.sub(r"^[^a-z@$]+|[^a-z]+$", "", folded)
    for text in (core, core.translate(_DISGUISES)):
        bare = "".join(letter for letter in text if letter.isalnum() or letter == " ")
        yield bare
        # The same word again and again.
        yield from (bare[:n] for n in range(4, len(bare) // 2 + 1) if _repeats(bare, n))


def _is_pattern(folded: str) -> bool:
    """Whether a password is a walk over the keyboard or the alphabet, or one piece repeated."""
    runs = 1 + sum(
        1 for one, next_ in pairwise(folded)
        if one != next_ and (one, next_) not in _STEPS
    )  # fmt: skip
    return 4 * runs <= len(folded) or any(_repeats(folded, n) for n in range(1, 5))


def _repeats(text: str, length: int) -> bool:
    return len(text) > length and text == (text[:length] * len(text))[: len(text)]


def _is_made_of(folded: str, personal: tuple[str, ...]) -> bool:
    """Whether nearly nothing of a password is left without the words of its account."""
    left, plain = folded, folded.translate(_DISGUISES)
    for word in sorted(_words(personal), key=len, reverse=True):
        left = left.replace(word, "")
        plain = plain.replace(word, "")
    for rest, whole in ((left, folded), (plain, folded.translate(_DISGUISES))):
        bare = "".join(letter for letter in rest if letter.isalnum())
        if rest != whole and (len(bare) < _OWN_PART or is_common(bare)):
            return True
    return False


def _words(personal: tuple[str, ...]) -> set[str]:
    words = {PRODUCT}
    for text in personal:
        folded = normalise(text).casefold()
        words |= {folded, *re.split(r"[\W_]+", folded)}
    return {word for word in words if len(word) >= _SHORTEST_WORD}


class PasswordDesk:
    """Hashes and compares in a few threads of its own, so that sign-ins never starve the rest.

    Argon2id with 12 MiB, three passes, one lane; a comparison for nobody costs the same.
    """

    def __init__(self, hasher: PasswordHasher | None = None, *, beat_s: float = BEAT_S) -> None:
        self._beat_s = beat_s
        self._hasher = hasher or PasswordHasher(
            time_cost=3, memory_cost=12 * 1024, parallelism=1, type=Type.ID
        )
        workers = max(2, min(4, (os.cpu_count() or 2)))
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="argon2")
        self._waiting = 0
        self._held: list[asyncio.Future[None]] = []
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

    async def derive(self, secret: str, salt: bytes) -> bytes:
        """A hash that can be looked up: the same for the same secret and salt.

        Raises: ServiceUnavailable: too many are waiting already.
        """

        def compute() -> bytes:
            return hash_secret_raw(
                secret.encode(), salt, time_cost=3, memory_cost=12 * 1024, parallelism=1,
                hash_len=32, type=Type.ID,
            )  # fmt: skip

        return await self._run(compute)

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    @asynccontextmanager
    async def on_the_beat(self, *refusals: type[BaseException]) -> AsyncIterator[None]:
        """Let the block end at a whole number of beats after it began; with `refusals` only
        where it ends with one of them.

        Somebody of two organisations takes two comparisons, and two letters: the time of an
        answer must not tell that. No transaction should be open meanwhile.
        Source: OWASP ASVS 5.0, 6.3.8.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            yield
        except refusals:
            await self._wait_for_beat(clock() - began)
            raise
        if not refusals:
            await self._wait_for_beat(clock() - began)

    async def _wait_for_beat(self, spent_s: float) -> None:
        if self._beat_s:
            await asyncio.sleep(-spent_s % self._beat_s)

    async def _run(self, work: Callable[[], Answer]) -> Answer:
        if self._waiting >= MAX_WAITING:
            raise ServiceUnavailable(
                "Too many sign-ins at once. Try again in a moment.", headers={"Retry-After": "2"}
            )
        self._waiting += 1
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1
            if self._waiting < BUSY:
                self._let_go()
        if self._waiting >= BUSY:
            await self._leave_together()
        return answer

    async def _leave_together(self) -> None:
        """Under load, wait for a few more answers. What is done after a comparison then runs a few
        times in a row, from caches that comparing would else have emptied each time."""
        held = asyncio.get_running_loop().create_future()
        self._held.append(held)
        if len(self._held) == TOGETHER:
            self._let_go()
        await held

    def _let_go(self) -> None:
        for held in self._held:
            if not held.done():
                held.set_result(None)
        self._held.clear()


def desk_of(house: House) -> PasswordDesk:
    """The one desk of this process."""
    if PasswordDesk not in house.parts:
        house.place(PasswordDesk())
    return house.part(PasswordDesk)


def unfit(why: str, field: str = "password") -> InvalidRequest:
    """The refusal of a new password."""
    return invalid_field(field, why, f"The password {why}.")
