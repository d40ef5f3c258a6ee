"""A tree of organisations, as rows of a table from top to bottom."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from leanvibe_server.tenancy.tree.models import Node

# Deeper ones are set in no further: a name must have room on a phone too.
MAX_INDENT = 6


@dataclass(frozen=True)
class Tree:
    """The organisations below `top`, each after the one it is below, beside others by name."""

    top: UUID
    nodes: Sequence[Node]

    @classmethod
    def of(cls, top: UUID, nodes: Iterable[Node]) -> "Tree":
        children: dict[UUID, list[Node]] = {}
        for node in nodes:
            children.setdefault(node.parent_tenant_id, []).append(node)
        for below in children.values():
            below.sort(key=lambda node: (node.display_name.lower(), node.id), reverse=True)
        ordered, waiting = [], list(children.get(top, ()))
        # By a list and not by calls: a tree may be deeper than calls may nest.
        while waiting:
            node = waiting.pop()
            ordered.append(node)
            waiting += children.get(node.id, ())
        return cls(top, ordered)

    def find(self, tenant_id: UUID) -> Node | None:
        return next((node for node in self.nodes if node.id == tenant_id), None)

    def above(self, node: Node) -> list[Node]:
        """The organisations above one, up to the top and without it, the highest first."""
        by_id = {one.id: one for one in self.nodes}
        found: list[Node] = []
        while (parent := by_id.get(node.parent_tenant_id)) is not None:
            found.insert(0, parent)
            node = parent
        return found

    def below(self, node: Node) -> set[UUID]:
        """The ids of all below one."""
        found = {node.id}
        for one in self.nodes:
            if one.parent_tenant_id in found:
                found.add(one.id)
        return found - {node.id}

    def matching(self, text: str) -> "Tree":
        """Those whose name or slug holds a text, with those above them, so that it stays a tree."""
        wanted = text.lower()
        kept: set[UUID] = set()
        for node in self.nodes:
            if wanted in node.display_name.lower() or wanted in node.slug:
                kept |= {node.id, *(one.id for one in self.above(node))}
        return Tree(self.top, [node for node in self.nodes if node.id in kept])

    def choices(self, *, but: Iterable[UUID] = ()) -> list[tuple[str, str]]:
        """What a form lets somebody choose from, without some."""
        left_out = set(but)
        return [
            (str(node.id), "\u2003" * min(node.depth, MAX_INDENT) + node.display_name)
            for node in self.nodes
            if node.id not in left_out
        ]


def indent_of(node: Node) -> int:
    """How far a name is set in."""
    return min(node.depth, MAX_INDENT + 1) - 1
