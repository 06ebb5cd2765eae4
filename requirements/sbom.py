"""Prints what a release runs on, as CycloneDX: every package of run.txt that this system and Python take.

Versions and hashes (of all files of a package) are the lock's; licences are what the installed packages say.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import metadata
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from packaging.markers import Marker

ROOT = Path(__file__).resolve().parents[1]
LOCKED = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>\S+)(?: ; (?P<marker>.+?))? \\\n(?P<hashes>(?: +--hash=.+\n)+)", re.MULTILINE
)


def components() -> Iterator[dict[str, Any]]:
    for locked in LOCKED.finditer((ROOT / "requirements" / "run.txt").read_text()):
        if locked["marker"] and not Marker(locked["marker"]).evaluate():
            continue
        address = f"pkg:pypi/{locked['name']}@{locked['version']}"
        yield {
            "type": "library",
            "bom-ref": address,
            "name": locked["name"],
            "version": locked["version"],
            "purl": address,
            "hashes": [{"alg": "SHA-256", "content": found} for found in re.findall(r"sha256:(\w+)", locked["hashes"])],
            "licenses": licences(locked["name"]),
        }


def licences(package: str) -> list[dict[str, Any]]:
    said = metadata(package)
    if "License-Expression" in said:
        return [{"expression": said["License-Expression"]}]
    classifiers = [each.split(" :: ") for each in said.get_all("Classifier", [])]
    names = [last for first, *_between, last in classifiers if first == "License"] or [said["License"]]
    return [{"license": {"name": name}} for name in names]


def main() -> None:
    found = list(components())
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid5(NAMESPACE_URL, json.dumps(found)).urn,
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": "incident-portal",
                "version": sys.argv[1],
                "licenses": [{"expression": "BSD-3-Clause"}],
            }
        },
        "components": found,
    }
    print(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
