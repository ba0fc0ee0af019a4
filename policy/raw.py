"""A document as the linter takes it: parsed, as JSON values, or as text, and possibly broken."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from policy.documents import to_dict
from policy.errors import PolicySyntaxError
from policy.findings import Finding, finding
from policy.grammar import WHOLE, Reader, load_json
from policy.model import PRINCIPAL_KINDS, Effect, PolicyDocument, PolicyKind, Statement

_INDEX = re.compile(r"\[[0-9]+\]")


class RawPrincipal(NamedTuple):
    """A principal as it is written, which the grammar may refuse. `kind` is "" for a principal without one."""

    kind: str
    value: str
    path: str
    statement: int


@dataclass(frozen=True)
class Document:
    """A document that was read: `parsed` is None when a rule of the grammar is broken, and `errors` has them."""

    subject: str
    raw: object
    parsed: PolicyDocument | None
    errors: tuple[PolicySyntaxError, ...]

    def syntax_findings(self) -> Iterator[Finding]:
        """One finding for each broken rule of the grammar."""
        for error in self.errors:
            # Without indexes: the same mistake reads the same wherever the statement stands.
            element = _INDEX.sub("", error.path)
            yield finding("RAM001", error.path, f"{self.subject}: {element} {error.rule}")

    def statements(self) -> Iterator[tuple[str, Statement]]:
        """The statements that were parsed, each with its path."""
        for index, statement in enumerate(self.parsed.statements if self.parsed else ()):
            yield f"Statement[{index}]", statement

    def allowed(self) -> Iterator[tuple[str, Statement]]:
        """The Allow statements that were parsed, each with its path."""
        return (one for one in self.statements() if one[1].effect is Effect.ALLOW)

    def item(self, path: str, key: str, index: int) -> str:
        """The path of one value of a statement: with an index when the document has a list there."""
        statement = self._raw_statements()[int(path.removeprefix("Statement[").removesuffix("]"))]
        listed = isinstance(statement, Mapping) and isinstance(statement.get(key), (list, tuple))
        return f"{path}.{key}[{index}]" if listed else f"{path}.{key}"

    def principals(self) -> Iterator[RawPrincipal]:
        """The principals of all statements that are no Deny, also where the grammar refuses them."""
        for number, statement in enumerate(self._raw_statements()):
            if not isinstance(statement, Mapping) or statement.get("Effect") == Effect.DENY.value:
                continue
            path = f"Statement[{number}].Principal"
            written = statement.get("Principal")
            if isinstance(written, Mapping):
                for kind in PRINCIPAL_KINDS:
                    for value, place in _texts(written.get(kind), f"{path}.{kind}"):
                        yield RawPrincipal(kind, value, place, number)
            else:
                for value, place in _texts(written, path):
                    yield RawPrincipal("", value, place, number)

    def _raw_statements(self) -> list[Any]:
        written = self.raw.get("Statement") if isinstance(self.raw, Mapping) else None
        return list(written) if isinstance(written, (list, tuple)) else [written]


def read(document: object, kind: PolicyKind, subject: str) -> Document:
    """Read whatever is given: a parsed document, JSON text, or any JSON value. Never raises."""
    raw: object = document
    if isinstance(document, PolicyDocument):
        raw = to_dict(document)
    elif isinstance(document, str):
        try:
            raw = load_json(document)
        except PolicySyntaxError as error:
            return Document(subject, None, None, (error,))
    reader = Reader(kind)
    parsed = reader.document(raw)
    return Document(subject, raw, parsed, tuple(reader.errors))


def _texts(written: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(written, str):
        yield written, path
    elif isinstance(written, (list, tuple)):
        for index, value in enumerate(written):
            if isinstance(value, str):
                yield value, f"{path}[{index}]"


__all__ = ["WHOLE", "Document", "RawPrincipal", "read"]
