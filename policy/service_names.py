"""Service names that are nearly another: what a person writes by mistake into a trust policy.

RAM compares service names exactly, and accepts any name; a role with the wrong one looks right in the console.
"""

from __future__ import annotations

import unicodedata

from policy.matching import fold

_NEAR = 2
"""Characters to insert, remove or replace by which a name still counts as a typing error."""

_PRODUCT_LABELS = 3
"""Labels of a product's own domain, as in dataworks.aliyuncs.com; aliyuncs.com is everybody's."""

# Letters of other scripts and digits that look like Latin letters in most fonts.
_LOOK_ALIKES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0455\u0501\u051d\u0391\u03bf\u03b1\u03b9\u0131\u217c01",
    "aeopcyxisdwaoaiilol",
)


def look_alike(name: str, expected: str) -> str | None:
    """In which way a service name that is not the expected one looks like it; None when it does not."""
    if name == expected:
        return None
    if fold(name) == fold(expected):
        return "differs in case"
    if _skeleton(name) == _skeleton(expected):
        return "is written with look-alike letters"
    product = expected.partition(".")[2]
    lowered = fold(name)
    if product.count(".") + 1 >= _PRODUCT_LABELS and (lowered == product or lowered.endswith(f".{product}")):
        return "is another service of the same product"
    if _within(lowered, fold(expected), _NEAR):
        return "may be a typing error"
    return None


def _skeleton(name: str) -> str:
    """The name as it looks: compatibility forms, accents and look-alike letters reduced to Latin ones."""
    letters = unicodedata.normalize("NFKD", name).casefold().translate(_LOOK_ALIKES)
    return "".join(sign for sign in letters if not unicodedata.combining(sign) and sign.isprintable())


def _within(a: str, b: str, distance: int) -> bool:
    """Whether at most `distance` insertions, removals and replacements make one text the other."""
    if abs(len(a) - len(b)) > distance:
        return False
    row = list(range(len(b) + 1))
    for number, sign in enumerate(a, 1):
        following = [number]
        for place, other in enumerate(b, 1):
            following.append(
                min(row[place] + 1, following[-1] + 1, row[place - 1] + (sign != other)),
            )
        row = following
    return row[-1] <= distance
