"""Names and import sources inside the generated code."""

from __future__ import annotations

from crud_target import Spec, Target


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def article(words: str) -> str:
    """The words with their indefinite article."""
    return f"{'an' if words[:1] in 'aeio' else 'a'} {words}"


def source(spec: Spec, target: Target, module: str) -> str:
    """The import source of a sibling module of the resource's package."""
    if target.relative:
        return f".{module}"
    return ".".join(part for part in (target.package, spec.plural, module) if part)


def parent_source(target: Target, module: str) -> str:
    """The import source of a module beside the resource's package."""
    if target.relative:
        return f"..{module}"
    return ".".join(part for part in (target.package, module) if part)


def session_source(target: Target) -> tuple[str, str]:
    """Module and name of the dependency that yields a session."""
    if target.session is not None:
        return target.session["module"], target.session["name"]
    return parent_source(target, target.database_module), "get_session"


def base_source(target: Target) -> tuple[str, str]:
    """Module and name of the declarative base."""
    if target.base is not None:
        return target.base["module"], target.base["name"]
    return parent_source(target, target.database_module), "Base"
