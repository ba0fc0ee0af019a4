"""From a data source's Content to the location of a specification: the inverse of what the pipeline writes there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from cloud.errors import Mismatch
from config.personas import Persona
from config.problems import rule_of
from config.sources import source_types
from config.sources.base import SourceLocation, SourceType
from config.sources.inverse import Traces


def source_type_of(data_source_type: str) -> SourceType | None:
    """The source type, in its form, that DataWorks calls so (``oss``, ``holo``, ``ads``, …); None for any other."""
    forms = (form for kind in source_types().values() for form in kind.variants())
    return next((form for form in forms if form.data_source_type == data_source_type), None)


def location_of(
    data_source_type: str,
    content: Mapping[str, str],
    region: str,
    *,
    resources: Sequence[str] = (),
    steps: Sequence[Mapping[str, Any]] = (),
    profile: Mapping[str, str] | None = None,
    subject: str = "",
) -> Mapping[str, Any]:
    """The location's fields, valid for the type: what differs from the default, and nothing secret.

    ``content`` is of role mode or of AccessKey mode; of it only what says where the data is is read, credentials are
    not. What Content does not tell comes from ``resources``, those that the role's policies allow (a prefix, tables,
    Logstores), and from ``steps``, the parameters of the data source's side of its sync tasks; in AccessKey mode
    there are only the latter. ``profile`` is the settings' template for the type, ``subject`` names the data source
    in errors. Raises :class:`Mismatch` with everything that no location of the type expresses.
    """
    kind = source_type_of(data_source_type)
    if kind is None:
        known = sorted(form.data_source_type for each in source_types().values() for form in each.variants())
        raise _inexpressible(
            f"data sources of type {data_source_type} cannot be specified, only {', '.join(known)}", subject
        )
    try:
        fields = kind.location_fields(content, Traces(tuple(resources), tuple(steps)), profile)
    except ValueError as error:
        raise _inexpressible(str(error), subject) from error
    return _shortest(kind, _valid(kind, fields, region, subject), region)


def _valid(kind: SourceType, fields: Mapping[str, Any], region: str, subject: str) -> SourceLocation:
    rules: list[str] = []
    try:
        return kind.resolve_location(kind.Location.model_validate(dict(fields)), region)
    except ValidationError as error:
        for line in error.errors(include_url=False, include_context=False, include_input=False):
            path = ".".join(str(part) for part in line["loc"])
            rule = rule_of(line["type"], line["msg"])
            if line["type"] == "too_short":
                rule = "no policy of its role and no sync task names any"
            rules.append(f"location.{path}: {rule}" if path else rule)
    # Outside the handler: the validation error holds the raw values and must not be part of the chain.
    raise _inexpressible("; ".join(rules), subject)


def _shortest(kind: SourceType, location: SourceLocation, region: str) -> dict[str, Any]:
    """The fields that are not what the type fills in by itself."""
    fields = location.model_dump(mode="json", exclude_defaults=True)
    for key in tuple(fields):
        fewer = {name: value for name, value in fields.items() if name != key}
        try:
            if kind.resolve_location(kind.Location.model_validate(fewer), region) == location:
                fields = fewer
        except ValidationError:
            continue
    return fields


def _inexpressible(what: str, subject: str) -> Mismatch:
    return Mismatch(
        f"its location cannot be expressed: {what}",
        subject=subject,
        persona=Persona.CREATOR,
        remedy="write the location by hand, or correct the data source",
    )
