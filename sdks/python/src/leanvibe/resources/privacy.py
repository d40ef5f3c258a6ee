"""Privacy: exports, erasure with proof, consents, retention periods, the record of processing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import httpx

from leanvibe._core import Core
from leanvibe._faces import Resource, Runner, endpoint, pages
from leanvibe._operations import (
    Call,
    Operation,
    Steps,
    given,
    lists,
    path_of,
    reads,
    reads_bytes,
    reads_nothing,
)
from leanvibe.exceptions import ConflictError
from leanvibe.models import (
    Consent,
    Erasure,
    LegalHold,
    PrivacyExport,
    ProcessingRecord,
    RetentionPeriods,
)
from leanvibe.pagination import Page


class Privacy(Resource[Runner]):
    """What people may ask for of their data, and what their organisation owes them."""

    @endpoint
    def export(
        self,
        /,
        *,
        user_id: str | UUID | None = None,
        idempotency_key: str | None = None,
    ) -> Call[PrivacyExport]:
        """Have a ZIP written of one person's data; without `user_id`, of the whole tenant's.

        Raises:
            PermissionDeniedError: prove yourself anew with `auth.step_up` first.
        """
        return Call(
            method="POST",
            path="/privacy/exports",
            read=reads(PrivacyExport),
            body=given(user_id=user_id),
            idempotency_key=idempotency_key,
        )

    @endpoint
    def export_mine(self, /, *, idempotency_key: str | None = None) -> Call[PrivacyExport]:
        """Have a ZIP written of your own data."""
        return Call(
            method="POST",
            path="/auth/me/export",
            read=reads(PrivacyExport),
            body={},
            idempotency_key=idempotency_key,
        )

    @endpoint
    def get_export(self, export_id: str | UUID) -> Call[PrivacyExport]:
        """How an export stands; once it is ready, `download_url` works for a quarter of an hour."""
        return _export(export_id)

    @endpoint
    def download_export(self, export_id: str | UUID) -> Operation[bytes]:
        """The ZIP of an export that is ready.

        Raises:
            ConflictError: it is not ready yet, or its file is gone.
        """
        return _Download(_export(export_id))

    def _exports(
        self, /, *, limit: int | None = None, cursor: str | None = None
    ) -> Call[Page[PrivacyExport]]:
        """The exports, newest first."""
        return lists(PrivacyExport, "/privacy/exports", limit=limit, cursor=cursor)

    exports = endpoint(_exports)
    iterate_exports = pages(_exports)

    @endpoint
    def erase(self, user_id: str | UUID, *, idempotency_key: str | None = None) -> Call[Erasure]:
        """Erase a person from your tenant, at once and for good. The answer is the proof.

        Raises:
            ConflictError: the last owner, or yourself.
        """
        return Call(
            method="POST",
            path="/privacy/erasures",
            read=reads(Erasure),
            body={"user_id": user_id},
            idempotency_key=idempotency_key,
        )

    @endpoint
    def get_erasure(self, erasure_id: str | UUID) -> Call[Erasure]:
        """The certificate of an erasure, and whether it is as it was signed."""
        return Call(
            method="GET", path=path_of("privacy", "erasures", erasure_id), read=reads(Erasure)
        )

    def _erasures(
        self, /, *, limit: int | None = None, cursor: str | None = None
    ) -> Call[Page[Erasure]]:
        """The erasures with their certificates, newest first."""
        return lists(Erasure, "/privacy/erasures", limit=limit, cursor=cursor)

    erasures = endpoint(_erasures)
    iterate_erasures = pages(_erasures)

    @endpoint
    def place_hold(
        self,
        reason: str,
        *,
        user_id: str | UUID | None = None,
        idempotency_key: str | None = None,
    ) -> Call[LegalHold]:
        """Keep a person, or without `user_id` the whole tenant, from being erased.

        Raises:
            ConflictError: a hold stands there already.
        """
        return Call(
            method="POST",
            path="/privacy/holds",
            read=reads(LegalHold),
            body=given(reason=reason, user_id=user_id),
            idempotency_key=idempotency_key,
        )

    @endpoint
    def lift_hold(self, hold_id: str | UUID, *, reason: str) -> Call[None]:
        """Let what a legal hold kept be erased again."""
        return Call(
            method="POST",
            path=path_of("privacy", "holds", hold_id, "lift"),
            read=reads_nothing,
            body={"reason": reason},
        )

    def _holds(
        self, /, *, limit: int | None = None, cursor: str | None = None
    ) -> Call[Page[LegalHold]]:
        """The legal holds that stand, newest first."""
        return lists(LegalHold, "/privacy/holds", limit=limit, cursor=cursor)

    holds = endpoint(_holds)
    iterate_holds = pages(_holds)

    @endpoint
    def consent(
        self,
        purpose: str,
        *,
        version: str,
        given: bool = True,
        idempotency_key: str | None = None,
    ) -> Call[Consent]:
        """Consent to a purpose, or withdraw it with `given=False`."""
        return Call(
            method="POST",
            path="/privacy/consents",
            read=reads(Consent),
            body={"purpose": purpose, "version": version, "given": given},
            idempotency_key=idempotency_key,
        )

    def _consents(
        self,
        /,
        *,
        user_id: str | UUID | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Call[Page[Consent]]:
        """What was consented to and withdrawn, newest first."""
        return lists(Consent, "/privacy/consents", user_id=user_id, limit=limit, cursor=cursor)

    consents = endpoint(_consents)
    iterate_consents = pages(_consents)

    @endpoint
    def retention(self) -> Call[RetentionPeriods]:
        """How long rows are kept, by table."""
        return Call(method="GET", path="/privacy/retention", read=reads(RetentionPeriods))

    @endpoint
    def set_retention(self, days: Mapping[str, int]) -> Call[RetentionPeriods]:
        """Keep the rows of the named tables for so many days."""
        return Call(
            method="PATCH",
            path="/privacy/retention",
            read=reads(RetentionPeriods),
            body={"days": dict(days)},
        )

    @endpoint
    def processing(self) -> Call[ProcessingRecord]:
        """The record of processing activities (GDPR Art. 30)."""
        return Call(method="GET", path="/privacy/processing", read=reads(ProcessingRecord))


def _export(export_id: str | UUID) -> Call[PrivacyExport]:
    path = path_of("privacy", "exports", export_id)
    return Call(method="GET", path=path, read=reads(PrivacyExport))


@dataclass(frozen=True)
class _Download:
    """The link of an export, then what is behind it."""

    ask: Call[PrivacyExport]

    def steps(self, core: Core) -> Steps[bytes]:
        export = yield from core.converse(self.ask)
        if export.download_url is None:
            raise ConflictError(
                f"The export is {export.status}. Ask for it again until it is ready.",
            )
        # The link proves the caller by itself, and is asked for where the API was reached.
        query = dict(httpx.URL(export.download_url).params)
        path = f"{self.ask.path}/download"
        file = Call(method="GET", path=path, read=reads_bytes, query=query, anonymous=True)
        return (yield from core.converse(file))
