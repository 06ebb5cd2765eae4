"""The product on one machine with data to look at: `incident-portal demo`.

It is always the embedded mode in a folder of its own, whatever the environment says: a demonstration must not reach
a real database, and everybody knows its login.
"""

from __future__ import annotations

import argparse
import os

from portal import environment

GREETING = """
The portal is running. Ctrl-C stops it; what you do is kept in {data}.

  Status page    {site}/
  Admin          {site}/admin/     login {login}, password {password}
  API            {site}/api/docs
  Mail it sent   {site}/demo/mail
"""


def run(arguments: list[str]) -> str | int | None:
    """Prepare and serve the demonstration until it is stopped; returns what to exit with.

    Call it before anything has read the settings.
    """
    parser = argparse.ArgumentParser(prog="incident-portal demo", description="Try the product on this machine.")
    parser.add_argument("--port", type=int, choices=range(1, 65536), metavar="PORT", default=8000)
    port: int = parser.parse_args(arguments).port
    site = f"http://127.0.0.1:{port}"
    data = environment.folder("DATA_DIR", environment.home()) / "demo"
    own = {
        "DEMO": "1",
        "DATA_DIR": str(data),
        "SITE_URL": site,
        **dict.fromkeys(["DATABASE_URL", "REDIS_URL", "PUBLICATION_ROOT", "ALLOWED_HOSTS"], ""),
        **dict.fromkeys(["SECRET_KEY", "ENCRYPTION_KEYS", "AUDIT_KEY"], ""),
    }
    os.environ.update(own | {f"{name}_FILE": "" for name in own})

    import django
    from django.core.management import CommandError, call_command

    django.setup()

    from portal.accounts.backends import DEMO_PASSWORD, DEMO_USERNAME
    from portal.embedded import supervisor

    try:
        supervisor.require_free(port)
        call_command("migrate", verbosity=0)
        call_command("demo_data")
        supervisor.serve(port, GREETING.format(data=data, site=site, login=DEMO_USERNAME, password=DEMO_PASSWORD))
    except CommandError as error:
        return str(error)
    except KeyboardInterrupt:
        return 130
    return None
