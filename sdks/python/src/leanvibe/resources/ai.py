"""Code completion."""

from __future__ import annotations

from typing import Any

from leanvibe._faces import Resource, Runner, endpoint
from leanvibe._operations import Call, given, reads
from leanvibe.models import CodeCompletion


class AI(Resource[Runner]):
    """Answers about a piece of code."""

    @endpoint
    def complete_code(
        self,
        /,
        *,
        content: str,
        intent: str = "suggest",
        file_path: str | None = None,
        cursor_position: int | None = None,
        language: str | None = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Call[CodeCompletion]:
        """Suggest, explain, refactor, debug, optimize, document or test, as `intent` says."""
        body = {
            **fields,
            **given(
                content=content,
                intent=intent,
                file_path=file_path,
                cursor_position=cursor_position,
                language=language,
            ),
        }
        return Call(
            method="POST",
            path="/code-completion",
            read=reads(CodeCompletion),
            body=body,
            idempotency_key=idempotency_key,
        )
