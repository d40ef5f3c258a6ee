"""From a filter's tree to a condition in SQL.

Only names of the tables below become part of the statement; every value is a parameter.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from leanvibe_server.identity.scim.definitions import (
    ATTRIBUTES,
    ENTERPRISE,
    ENTERPRISE_ATTRIBUTES,
    GROUP,
    USER,
    Attribute,
)
from leanvibe_server.identity.scim.filters import (
    Both,
    Compare,
    Either,
    Node,
    Not,
    Present,
    Within,
    bad_filter,
)

TEXT, EXACT, FLAG, MOMENT = "text", "exact", "flag", "moment"


@dataclass(frozen=True)
class Column:
    """An attribute with one value: the expression for it, and how it compares."""

    sql: str
    kind: str = TEXT


@dataclass(frozen=True)
class Values:
    """An attribute with several values: where they come from, and the columns of each."""

    source: str
    columns: Mapping[str, Column]


@dataclass(frozen=True)
class Vocabulary:
    """What a filter may name, in lower case, and the schema whose prefix may stand before."""

    schema: str
    columns: Mapping[str, Column]
    values: Mapping[str, Values]


@dataclass
class Condition:
    """A condition under way: its parameters begin after those the statement has already."""

    vocabulary: Vocabulary
    first: int
    parameters: list[Any] = field(default_factory=list)

    def of(self, node: Node) -> str:
        """The SQL for a tree. Raises: InvalidRequest: it names what is not there."""
        return self._sql(node, None)

    def _sql(self, node: Node, within: Values | None) -> str:
        match node:
            case Both(parts):
                return "(" + " AND ".join(self._sql(part, within) for part in parts) + ")"
            case Either(parts):
                return "(" + " OR ".join(self._sql(part, within) for part in parts) + ")"
            case Not(of):
                return f"(NOT {self._sql(of, within)})"
            case Within(path, condition):
                values = self._values(path)
                return f"EXISTS ({values.source} AND {self._sql(condition, values)})"
            case Compare() | Present():
                return self._leaf(node, within)

    def _leaf(self, node: Compare | Present, within: Values | None) -> str:
        name = plain_name(node.path, self.vocabulary.schema)
        if within is not None:
            column = within.columns.get(name)
            if column is None:
                raise _unknown(node.path)
            return self._test(column, node)
        if name in self.vocabulary.columns:
            return self._test(self.vocabulary.columns[name], node)
        # Of several values, `emails` and `emails.value` mean the value of any.
        owner, _, part = name.partition(".")
        values = self.vocabulary.values.get(owner)
        column = None if values is None else values.columns.get(part or "value")
        if values is None or column is None:
            raise _unknown(node.path)
        return f"EXISTS ({values.source} AND {self._test(column, node)})"

    def _values(self, path: str) -> Values:
        values = self.vocabulary.values.get(plain_name(path, self.vocabulary.schema))
        if values is None:
            raise _unknown(path)
        return values

    def _test(self, column: Column, node: Compare | Present) -> str:
        empty = "" if column.kind in (FLAG, MOMENT) else f" OR {column.sql} = ''"
        if isinstance(node, Present) or (node.value is None and node.operator == "ne"):
            return f"NOT ({column.sql} IS NULL{empty})"
        if node.value is None:
            if node.operator != "eq":
                raise bad_filter("null can be compared by eq and ne only")
            return f"({column.sql} IS NULL{empty})"
        if column.kind == FLAG:
            return self._flag(column, node)
        if column.kind == MOMENT:
            return self._moment(column, node)
        return self._text(column, node)

    def _flag(self, column: Column, node: Compare) -> str:
        value = node.value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            value = value.lower() == "true"
        if not isinstance(value, bool) or node.operator not in ("eq", "ne"):
            raise bad_filter(f"{node.path} is true or false, and compares by eq and ne")
        right = "IS" if node.operator == "eq" else "IS NOT"
        return f"({column.sql} {right} {'TRUE' if value else 'FALSE'})"

    def _moment(self, column: Column, node: Compare) -> str:
        if node.operator not in _ORDER:
            raise bad_filter(f"{node.path} is a time, which has no {node.operator}")
        moment = _read_moment(node)
        added = f"{self._add(moment)}::timestamptz"
        return f"coalesce({column.sql} {_ORDER[node.operator]} {added}, false)"

    def _text(self, column: Column, node: Compare) -> str:
        if not isinstance(node.value, str):
            raise bad_filter(f"{node.path} is a text, and compares with one in double quotes")
        exact = column.kind == EXACT
        left = column.sql if exact else f"lower({column.sql})"
        added = f"{self._add(node.value)}::text"
        right = added if exact else f"lower({added})"
        if node.operator == "ne":
            return f"({left} IS DISTINCT FROM {right})"
        return f"coalesce({_text_test(node.operator, left, right)}, false)"

    def _add(self, value: Any) -> str:
        self.parameters.append(value)
        return f"${self.first + len(self.parameters) - 1}"


_ORDER = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def _text_test(operator: str, left: str, right: str) -> str:
    if operator == "co":
        return f"position({right} IN {left}) > 0"
    if operator == "sw":
        return f"starts_with({left}, {right})"
    if operator == "ew":
        return f"right({left}, length({right})) = {right}"
    return f'{left} COLLATE "C" {_ORDER[operator]} {right} COLLATE "C"'


def plain_name(path: str, schema: str) -> str:
    """The name of an attribute in lower case, without the schema it may begin with."""
    name = path.lower()
    for known in (schema, ENTERPRISE) if schema == USER else (schema,):
        prefix = f"{known.lower()}:"
        if name.startswith(prefix):
            rest = name[len(prefix) :]
            return f"{ENTERPRISE.lower()}:{rest}" if known == ENTERPRISE else rest
    return name


def _unknown(path: str) -> Exception:
    return bad_filter(f"there is no attribute {path[:80]!r} to filter by")


def _read_moment(node: Compare) -> datetime:
    try:
        moment = datetime.fromisoformat(str(node.value))
    except ValueError:
        raise bad_filter(f"{node.path} is a time such as 2026-01-31T12:00:00Z") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _json_columns(attributes: Mapping[str, Attribute], base: str) -> dict[str, Column]:
    """Columns of what is kept as JSON below `base`."""
    found: dict[str, Column] = {}
    for name, attribute in attributes.items():
        if attribute.multi:
            continue
        if attribute.type == "complex":
            inner = _json_columns(attribute.within, f"({base} -> '{attribute.name}')")
            found |= {f"{name}.{part}": column for part, column in inner.items()}
        elif attribute.type == "boolean":
            found[name] = Column(f"({base} ->> '{attribute.name}')::boolean", FLAG)
        else:
            kind = EXACT if attribute.exact else TEXT
            found[name] = Column(f"({base} ->> '{attribute.name}')", kind)
    return found


_OWN_EMAIL = "jsonb_build_array(jsonb_build_object('value', u.email, 'type', 'work'))"


def _json_values(attribute: Attribute) -> Values:
    kept = f"p.attributes -> '{attribute.name}'"
    if attribute.name == "emails":
        kept = f"CASE WHEN p.user_id IS NULL THEN {_OWN_EMAIL} ELSE {kept} END"
    values = f"jsonb_array_elements(coalesce({kept}, '[]')) AS v (one)"
    return Values(f"SELECT 1 FROM {values} WHERE true", _json_columns(attribute.within, "v.one"))


_MOMENTS = {
    "meta.created": Column("u.created_at", MOMENT),
    "meta.lastmodified": Column("greatest(u.updated_at, p.updated_at)", MOMENT),
}
_SPECIAL = {
    "id": Column("u.id::text", EXACT),
    "username": Column("coalesce(p.user_name, u.email)"),
    "externalid": Column("p.external_id", EXACT),
    "active": Column("(u.status <> 'disabled')", FLAG),
    "displayname": Column(
        "CASE WHEN p.user_id IS NULL THEN u.username ELSE p.attributes ->> 'displayName' END"
    ),
}
_GROUPS_OF = """SELECT 1 FROM group_members m
    JOIN groups o ON o.tenant_id = m.tenant_id AND o.id = m.group_id
    WHERE m.tenant_id = u.tenant_id AND m.user_id = u.id"""
_EXTENSION = {
    f"{ENTERPRISE.lower()}:{name}": column
    for name, column in _json_columns(
        ENTERPRISE_ATTRIBUTES, f"(p.attributes -> '{ENTERPRISE}')"
    ).items()
}
USERS = Vocabulary(
    USER,
    columns=_json_columns(ATTRIBUTES, "p.attributes") | _EXTENSION | _MOMENTS | _SPECIAL,
    values={
        name: _json_values(attribute)
        for name, attribute in ATTRIBUTES.items()
        if attribute.multi and attribute.writable
    }
    | {
        "groups": Values(
            _GROUPS_OF, {"value": Column("o.id::text", EXACT), "display": Column("o.name")}
        ),
        "roles": Values(
            "SELECT 1 FROM unnest(u.further_roles || u.role) AS held (role) WHERE true",
            {"value": Column("held.role")},
        ),
    },
)
GROUPS = Vocabulary(
    GROUP,
    columns={
        "id": Column("g.id::text", EXACT),
        "displayname": Column("g.name"),
        "externalid": Column("g.external_id", EXACT),
        "meta.created": Column("g.created_at", MOMENT),
        "meta.lastmodified": Column("g.updated_at", MOMENT),
    },
    values={
        "members": Values(
            """SELECT 1 FROM group_members m
                WHERE m.tenant_id = g.tenant_id AND m.group_id = g.id""",
            {"value": Column("m.user_id::text", EXACT)},
        )
    },
)
