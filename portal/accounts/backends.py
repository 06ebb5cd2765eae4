"""Who can be signed in at all, by whatever way, and stay so."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser

from incidents.models import User

DEMO_USERNAME = "demo"
DEMO_PASSWORD = "demo"  # noqa: S105  (known to everybody; refused outside the demonstration)


class StaffBackend(ModelBackend):
    """Django's own, which lets no program's account in, and the demonstration's only while DEMO=1."""

    def user_can_authenticate(self, user: User | AnonymousUser | None) -> bool:
        if isinstance(user, User) and user.is_service:
            return False
        if user is not None and user.get_username() == DEMO_USERNAME and not settings.DEMO:
            return False
        return super().user_can_authenticate(user)
