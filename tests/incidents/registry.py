"""All services that there are, whichever modules a test has imported."""

from __future__ import annotations

import importlib
import pkgutil

import incidents
import status
from incidents.authorship import SERVICES, Service


def all_services() -> list[Service]:
    for app in (incidents, status):
        for module in pkgutil.walk_packages(app.__path__, f"{app.__name__}."):
            importlib.import_module(module.name)
    return list(SERVICES.values())
