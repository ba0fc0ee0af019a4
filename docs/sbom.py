"""Prints what an installation from the lock holds, as CycloneDX 1.5 JSON: ``make sbom``.

Versions come from ``requirements.lock``, licences and dependencies from the metadata of what is installed beside this
script. Packages that the lock has for other interpreters or systems are listed as optional, without either. The same
lock and the same installation give the same text: there is no time and no random number in it. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
PROJECT = "dataworks-onboarding"

_LINE = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[^\s;\\]+)\s*(?:;\s*(?P<marker>[^\\]+?))?\s*\\?"
)
_REQUIRED = re.compile(r"[A-Za-z0-9][\w.-]*")
_EXTRA = re.compile(r";.*\bextra\s*==")

# What packages write that have no License-Expression, and the SPDX identifier of the same licence.
_SPDX = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit licence": "MIT",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "the mit license (mit)": "MIT",
}
_IDENTIFIERS = ("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "PSF-2.0")
_SPDX |= {one.lower(): one for one in _IDENTIFIERS}
_SAYS_NOTHING = frozenset({"", "unknown", "dual license", "bsd"})  # the classifiers say more
_LONGEST_NAME = 60  # some put the licence's whole text into the field


@dataclass(frozen=True)
class Locked:
    """A line of the lock; ``marker`` says for which interpreters and systems it counts, "" for all."""

    name: str
    version: str
    marker: str

    @property
    def reference(self) -> str:
        """The package's URL, which names it inside the document too."""
        return f"pkg:pypi/{self.name}@{self.version}"


def normalized(name: str) -> str:
    """A package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(text: str) -> tuple[Locked, ...]:
    """Every package of a lock, in its order. Raises ``ValueError`` for a line that is neither package nor hash."""
    found = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith(("#", "--hash=")):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ValueError(f"this line of the lock is not understood: {line}")
        found.append(Locked(normalized(match["name"]), match["version"], (match["marker"] or "").strip()))
    return tuple(found)


def licences(metadata: Any) -> tuple[str, ...]:
    """Every licence that a package's metadata names: one SPDX expression, or else field and classifiers.

    Names without an SPDX identifier stay as they are; nothing known is an empty tuple.
    """
    expression = metadata.get("License-Expression")
    if expression:
        return (str(expression),)
    lines = str(metadata.get("License") or "").strip().splitlines()
    named = [lines[0].strip()] if lines and len(lines[0]) <= _LONGEST_NAME else []
    for classifier in metadata.get_all("Classifier") or []:
        if classifier.startswith("License :: "):
            named.append(classifier.rpartition(" :: ")[2])
    told = [_SPDX.get(one.lower(), one) for one in named if one.lower() not in _SAYS_NOTHING]
    return tuple(dict.fromkeys(told))


def installed(package: Locked) -> Distribution | None:
    """The package as it is installed here; None when it is not, or in another version."""
    try:
        found = distribution(package.name)
    except PackageNotFoundError:
        return None
    return found if found.version == package.version else None


def _licence_entries(names: Iterable[str], expression: str | None) -> list[dict[str, Any]]:
    if expression:
        return [{"expression": expression}]
    return [{"license": {"id" if name in _IDENTIFIERS else "name": name}} for name in names]


def _component(package: Locked, found: Distribution | None) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": package.reference,
        "name": package.name,
        "version": package.version,
        "purl": package.reference,
        "scope": "optional" if found is None else "required",
    }
    if found is not None:
        told: Any = found.metadata  # Python 3.10 does not type its get
        entries = _licence_entries(licences(told), told.get("License-Expression"))
        made |= {"licenses": entries} if entries else {}
    if package.marker:
        made["properties"] = [{"name": f"{PROJECT}:marker", "value": package.marker}]
    return made


def _needed(found: Distribution, references: Mapping[str, str]) -> list[str]:
    """References of what a package needs without extras, as far as it is part of this installation."""
    names = (
        normalized(match[0])
        for line in found.requires or ()
        if not _EXTRA.search(line) and (match := _REQUIRED.match(line))
    )
    return sorted({references[name] for name in names if name in references})


def bill(lock: str) -> dict[str, Any]:
    """The document for a lock's text."""
    packages = {package: installed(package) for package in locked(lock)}
    here = {package: found for package, found in packages.items() if found is not None}
    references = {package.name: package.reference for package in here}
    digest = hashlib.sha256(lock.encode()).hexdigest()
    try:
        ours: Distribution | None = distribution(PROJECT)
    except PackageNotFoundError:
        ours = None
    version = ours.version if ours else "0"
    root = f"pkg:pypi/{PROJECT}@{version}"
    graph = [{"ref": root, "dependsOn": _needed(ours, references) if ours else []}]
    graph += [
        {"ref": package.reference, "dependsOn": _needed(found, references)} for package, found in here.items()
    ]
    components = [_component(package, found) for package, found in packages.items()]
    described = json.dumps([root, digest, components, graph], sort_keys=True)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, described)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": PROJECT,
                "version": version,
                "purl": root,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
            "properties": [{"name": f"{PROJECT}:lock-sha256", "value": digest}],
        },
        "components": components,
        "dependencies": graph,
    }


def main() -> int:
    """Print the document of ``requirements.lock``."""
    json.dump(bill(LOCK.read_text(encoding="utf-8")), sys.stdout, indent=2)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
