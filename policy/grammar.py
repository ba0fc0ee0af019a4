"""The reader behind `policy.documents`: checks raw JSON against the grammar and names every broken rule.

Source: RAM help "Policy structure and syntax", "Policy elements" and, for principals, "Trust policy".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, NoReturn

from policy.comparisons import OPERATORS
from policy.errors import PolicySyntaxError
from policy.model import (
    PRINCIPAL_KINDS,
    VERSION,
    Condition,
    Effect,
    PolicyDocument,
    PolicyKind,
    Principal,
    Statement,
)

WHOLE = "document"
"""The path of the document itself."""

_ACTION = re.compile(r"\*|[^\s:]+:[^\s:]+")
_RESOURCE = re.compile(r"\*|acs:[^\s:]+:[^\s:]*:[^\s:]*:\S(.*\S)?")
_PRINCIPAL = {
    "RAM": (
        re.compile(r"acs:ram::[0-9]+:(root|user/[^\s*?:/]+|role/[^\s*?:/]+)"),
        "must be acs:ram::<account>:root, …:user/<name> or …:role/<name>, without wildcards",
    ),
    "Service": (
        re.compile(r"([0-9]+@)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*"),
        "must be a service such as di.dataworks.aliyuncs.com or <account>@<service>, without wildcards",
    ),
    "Federated": (
        re.compile(r"acs:ram::[0-9]+:(oidc|saml)-provider/[^\s*?:/]+"),
        "must be acs:ram::<account>:oidc-provider/<name> or …:saml-provider/<name>, without wildcards",
    ),
}


class JsonObject(dict[str, Any]):
    """A JSON object that remembers the keys it was given more than once."""

    def __init__(self, pairs: Iterable[tuple[str, Any]]) -> None:
        super().__init__()
        self.repeated: list[str] = []
        for key, value in pairs:
            if key in self:
                self.repeated.append(key)
            self[key] = value


def load_json(text: str) -> Any:
    """The JSON value of a text. Raises PolicySyntaxError when it is not JSON."""
    try:
        # Decimal keeps a number as the author wrote it: 1.50 stays 1.50.
        return json.loads(
            text, object_pairs_hook=JsonObject, parse_float=Decimal, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as error:
        raise PolicySyntaxError(
            WHOLE, f"must be JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        ) from error
    except RecursionError as error:
        raise PolicySyntaxError(WHOLE, "must be JSON: nested too deeply") from error
    except ValueError as error:
        # Python refuses to convert integers of thousands of digits.
        raise PolicySyntaxError(WHOLE, "must be JSON with numbers of reasonable length") from error


def _refuse_constant(name: str) -> NoReturn:
    raise PolicySyntaxError(WHOLE, f"must be JSON: {name} is not a JSON value")


class Reader:
    """Reads one document of one kind; `errors` has every broken rule in the order of reading."""

    def __init__(self, kind: PolicyKind) -> None:
        self.kind = kind
        self.errors: list[PolicySyntaxError] = []

    def document(self, raw: object) -> PolicyDocument | None:
        """The document, or None when a rule is broken."""
        fields = self._object(raw, "", ("Version", "Statement"))
        if fields is None:
            return None
        if "Version" not in fields:
            self._refuse("Version", f'is required: "{VERSION}"')
        elif fields["Version"] != VERSION:
            self._refuse("Version", f'must be the text "{VERSION}", the only version')
        statements = self._statements(fields)
        return None if self.errors else PolicyDocument(VERSION, statements)

    def _statements(self, fields: Mapping[str, Any]) -> tuple[Statement, ...]:
        if "Statement" not in fields:
            self._refuse("Statement", "is required: a list of statements")
            return ()
        raw = fields["Statement"]
        if not isinstance(raw, (list, tuple)) or not raw:
            self._refuse("Statement", "must be a list of at least one statement")
            return ()
        read = [self._statement(one, f"Statement[{index}]") for index, one in enumerate(raw)]
        return tuple(one for one in read if one is not None)

    def _statement(self, raw: object, path: str) -> Statement | None:
        before = len(self.errors)
        target = "Principal" if self.kind is PolicyKind.TRUST else "Resource"
        fields = self._object(raw, path, ("Effect", "Action", "NotAction", target, "Condition"))
        if fields is None:
            return None
        effect = self._effect(fields, path)
        actions, not_actions = self._actions(fields, path)
        resources: tuple[str, ...] = ()
        principals: tuple[Principal, ...] = ()
        if target not in fields:
            self._refuse(f"{path}.{target}", f"is required in a policy of kind {self.kind.value}")
        elif target == "Resource":
            resources = self._strings(fields["Resource"], f"{path}.Resource", _resource_rule)
        else:
            principals = self._principals(fields["Principal"], f"{path}.Principal")
        conditions = (
            self._conditions(fields["Condition"], f"{path}.Condition") if "Condition" in fields else ()
        )
        if len(self.errors) > before or effect is None:
            return None
        return Statement(effect, actions, not_actions, resources, principals, conditions)

    def _effect(self, fields: Mapping[str, Any], path: str) -> Effect | None:
        if "Effect" not in fields:
            self._refuse(f"{path}.Effect", "is required: Allow or Deny")
            return None
        for effect in Effect:
            if fields["Effect"] == effect.value:
                return effect
        self._refuse(f"{path}.Effect", "must be Allow or Deny")
        return None

    def _actions(self, fields: Mapping[str, Any], path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        both = [name for name in ("Action", "NotAction") if name in fields]
        if not both:
            self._refuse(f"{path}.Action", "is required (or NotAction)")
        elif len(both) == 2:
            self._refuse(f"{path}.NotAction", "must not stand beside Action: exactly one of them")
        read = {name: self._strings(fields[name], f"{path}.{name}", _action_rule) for name in both}
        return read.get("Action", ()), read.get("NotAction", ())

    def _principals(self, raw: object, path: str) -> tuple[Principal, ...]:
        fields = self._object(raw, path, PRINCIPAL_KINDS)
        if fields is None:
            return ()
        if not raw:
            self._refuse(path, f"must name at least one of {', '.join(PRINCIPAL_KINDS)}")
        return tuple(
            Principal(kind, value)
            for kind in PRINCIPAL_KINDS
            if kind in fields
            for value in self._strings(fields[kind], f"{path}.{kind}", _principal_rule(kind))
        )

    def _conditions(self, raw: object, path: str) -> tuple[Condition, ...]:
        operators = self._object(raw, path)
        if operators is None:
            return ()
        if not operators:
            self._refuse(path, "must have at least one operator; leave Condition out otherwise")
        read: list[Condition] = []
        for operator, block in operators.items():
            place = f"{path}.{operator}"
            if operator not in OPERATORS:
                self._refuse(place, f"unknown condition operator; RAM has {', '.join(OPERATORS)}")
                continue
            keys = self._object(block, place)
            if keys is not None and not keys:
                self._refuse(place, "must have at least one condition key")
            for key, listed in (keys or {}).items():
                values = self._values(listed, f"{place}.{key}")
                if key and values:
                    read.append(Condition(operator, key, values))
                elif not key:
                    self._refuse(place, "a condition key is at least one character")
        return tuple(read)

    def _values(self, raw: object, path: str) -> tuple[str, ...]:
        """Condition values: an empty text is one (`oss:Prefix` of the whole bucket); others become text."""
        values: list[str] = []
        for value, place in self._items(raw, path):
            text = _as_text(value)
            if text is None:
                self._refuse(place, "must be a text, number or boolean")
            elif not _is_unicode(text):
                self._refuse(place, "must be valid Unicode text")
            else:
                values.append(text)
        return tuple(values)

    def _strings(self, raw: object, path: str, broken_rule: Callable[[str], str | None]) -> tuple[str, ...]:
        values: list[str] = []
        for value, place in self._items(raw, path):
            if not isinstance(value, str):
                self._refuse(place, "must be a text")
            elif not _is_unicode(value):
                self._refuse(place, "must be valid Unicode text")
            elif (rule := broken_rule(value)) is not None:
                self._refuse(place, rule)
            else:
                values.append(value)
        return tuple(values)

    def _items(self, raw: object, path: str) -> list[tuple[object, str]]:
        """The values of a value or list, each with its path."""
        if not isinstance(raw, (list, tuple)):
            return [(raw, path)]
        if not raw:
            self._refuse(path, "must not be an empty list")
        return [(value, f"{path}[{index}]") for index, value in enumerate(raw)]

    def _object(
        self, raw: object, path: str, allowed: tuple[str, ...] | None = None
    ) -> Mapping[str, Any] | None:
        """The raw value if it is an object; its repeated and unknown keys are refused."""
        if not isinstance(raw, Mapping):
            self._refuse(path or WHOLE, "must be a JSON object")
            return None
        prefix = f"{path}." if path else ""
        for key in raw.repeated if isinstance(raw, JsonObject) else ():
            self._refuse(f"{prefix}{key}", "is given more than once")
        good: dict[str, Any] = {}
        for key, value in raw.items():
            if not isinstance(key, str) or not _is_unicode(key):
                self._refuse(path or WHOLE, "every key must be a text")
            elif allowed is not None and key not in allowed:
                self._refuse(f"{prefix}{key}", f"unknown key here; the grammar has {', '.join(allowed)}")
            else:
                good[key] = value
        return good

    def _refuse(self, path: str, rule: str) -> None:
        self.errors.append(PolicySyntaxError(path, rule))


def _action_rule(action: str) -> str | None:
    return None if _ACTION.fullmatch(action) else 'must be "*" or <product>:<action>, such as oss:GetObject'


def _resource_rule(resource: str) -> str | None:
    return (
        None
        if _RESOURCE.fullmatch(resource)
        else 'must be "*" or acs:<product>:<region>:<account>:<resource>, each part possibly "*"'
    )


def _principal_rule(kind: str) -> Callable[[str], str | None]:
    pattern, rule = _PRINCIPAL[kind]
    return lambda value: None if pattern.fullmatch(value) else rule


def _as_text(value: object) -> str | None:
    """A condition value as RAM compares it: true as "true", 1 as "1"; None for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, Decimal)):
        try:
            return str(value)
        except ValueError:  # an integer of thousands of digits
            return None
    return value if isinstance(value, str) else None


def _is_unicode(text: str) -> bool:
    """False for half a surrogate pair, which JSON can escape but nothing can send."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
