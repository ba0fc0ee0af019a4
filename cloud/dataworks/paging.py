"""DataWorks' page numbers, in one place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cloud.errors import LimitExceeded
from cloud.gate import Gate
from config.limits import DATAWORKS, DATAWORKS_PAGE_ITEMS, DATAWORKS_PAGES_READ
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
    maximum_pages: int | None = None,
) -> Iterator[Mapping[str, Any]]:
    """Every item of a paged list: ``body[container][items]``, 100 a page, until ``TotalCount`` is reached.

    With ``maximum_pages`` the first so many pages are enough; without, a list that cannot be read to its end raises
    :class:`LimitExceeded`: what is not seen must not be taken for absent.
    """
    seen = 0
    last = maximum_pages or DATAWORKS_PAGES_READ
    for number in range(1, last + 1):
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
    if maximum_pages is None:
        raise LimitExceeded(
            f"it has more than {seen} items, and no more are read",
            subject=subject,
            persona=persona,
            remedy="spread the data sources over several workspaces",
        )
