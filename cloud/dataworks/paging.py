"""DataWorks' page numbers, in one place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cloud.gate import Gate
from config.limits import DATAWORKS, DATAWORKS_PAGE_ITEMS, DATAWORKS_PAGE_NUMBER_MAXIMUM
from config.personas import Persona


def pages(
    gate: Gate,
    action: str,
    parameters: Mapping[str, Any],
    *,
    persona: Persona,
    subject: str,
    container: str,
    items: str,
    maximum_pages: int = DATAWORKS_PAGE_NUMBER_MAXIMUM,
) -> Iterator[Mapping[str, Any]]:
    """Every item of a paged list: ``body[container][items]``, 100 a page, until ``TotalCount`` is reached."""
    seen = 0
    for number in range(1, maximum_pages + 1):
        body = gate.read(
            DATAWORKS,
            action,
            {**parameters, "PageNumber": number, "PageSize": DATAWORKS_PAGE_ITEMS},
            persona=persona,
            subject=subject,
        )
        page = body.get(container) or {}
        found = page.get(items) or []
        yield from found
        seen += len(found)
        if not found or seen >= int(page.get("TotalCount") or 0):
            return
