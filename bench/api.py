"""How fast are the hot calls of the manage API, beside a REST framework view that does nothing?

All in one process on SQLite, through the whole of Django without a network, each call in turn with the trivial one. A
call that asks the database cannot be as fast; the ratio says what it costs, on any machine.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from statistics import median
from typing import Any

from tests.servers import temporary_folder

ROUNDS, SECONDS = 5, 0.4
LIMIT = 0.01  # of the trivial view, for what reads one object


def per_second(call: Callable[[], Any]) -> float:
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        assert call().status_code < 300
        count += 1
    return count / (time.perf_counter() - began)


def main() -> int:
    data = temporary_folder("portal-bench-")
    os.environ.pop("DATABASE_URL", None)
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "DATA_DIR": str(data),
        "PUBLICATION_ROOT": str(data / "public"),
        "LOG_LEVEL": "ERROR",
        "API_RATE": "1000000000",
    }
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.test import Client
    from django.urls import path
    from django.utils import timezone
    from rest_framework.response import Response
    from rest_framework.views import APIView

    from incidents import catalogue, metrics, people
    from incidents.models import Incident
    from incidents.permissions import Scope
    from portal import urls
    from tests.old_incidents import make_history

    class Trivial(APIView):
        authentication_classes = ()
        permission_classes = ()

        def get(self, _request: object) -> Response:
            return Response({})

    urls.urlpatterns.insert(0, path("api/v1/trivial", Trivial.as_view()))
    settings.ALLOWED_HOSTS = ["*"]
    call_command("migrate", verbosity=0)
    author = people.service_user("bench", role="administrator")
    page = catalogue.create_page(name="Bench", url="https://status.bench.example", author=author)
    names = [f"Component {number}" for number in range(1, 13)]
    components = [catalogue.create_component(page, name=name, author=author) for name in names]
    make_history(page, components, author, count=200, before=timezone.now(), apart=timedelta(hours=9))
    metric = metrics.create_metric(page, name="Latency", author=author)
    key, _row = people.create_key("bench", scopes=[Scope.ADMIN], author=author)
    client = Client(headers={"Authorization": f"OAuth {key}"})
    below = f"/api/v1/pages/{page.public_id}"

    def push() -> Any:
        point = {"data": {"timestamp": time.time(), "value": 1.5}}
        return client.post(f"{below}/metrics/{metric.public_id}/data", json.dumps(point), "application/json")

    incident = Incident.objects.order_by("id")[0].public_id
    calls: dict[str, Callable[[], Any]] = {
        "GET component": lambda: client.get(f"{below}/components/{components[0].public_id}"),
        "GET incident": lambda: client.get(f"{below}/incidents/{incident}"),
        "GET incidents?limit=20": lambda: client.get(f"{below}/incidents?limit=20"),
        "POST metric data": push,
    }
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _round in range(ROUNDS):
        for name, call in calls.items():
            rates[name].append((per_second(call), per_second(lambda: client.get("/api/v1/trivial"))))
    ratios = {name: median(mine / trivial for mine, trivial in pairs) for name, pairs in rates.items()}
    for name, pairs in rates.items():
        mine, trivial = median(mine for mine, _ in pairs), median(trivial for _, trivial in pairs)
        print(f"{name:<24}{mine:>7,.0f} a second, {ratios[name]:.3f} of the {trivial:,.0f} of a view that does nothing")
    return int(min(ratios["GET component"], ratios["GET incident"]) < LIMIT)


if __name__ == "__main__":
    sys.exit(main())
