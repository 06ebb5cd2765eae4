"""A program of its own that has Apprise send one message to one chat.

`apprise` runs it as `python -m status.delivery.chats.apprise_process`. Apprise connects by itself, with the libraries
of each service. So it runs where it can reach one address alone, that of the `guard`: the interpreter itself refuses
every other connection, look-up and process. What it needs comes by standard input, so that no list of processes shows
it, and it can be killed at any time.
"""

from __future__ import annotations

import json
import logging
import sys
from io import StringIO
from typing import Any

FORBIDDEN = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.gethostbyaddr")


def stay_inside(port: int) -> None:
    """From here on nothing leaves this process but by this port of the loopback address. It cannot be undone."""

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            allowed = arguments[1] == ("127.0.0.1", port)
        elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
            allowed = arguments[0] in ("127.0.0.1", b"127.0.0.1")
        elif event in ("socket.sendto", "socket.sendmsg"):
            allowed = False
        else:
            allowed = event not in FORBIDDEN
        if not allowed:
            raise PermissionError("only the guard may be asked")

    sys.addaudithook(watch)


def main() -> None:
    order = json.load(sys.stdin)
    import apprise

    stay_inside(order["port"])
    log = StringIO()
    logging.getLogger("apprise").addHandler(logging.StreamHandler(log))
    asset = apprise.AppriseAsset(app_id="Incident portal", app_desc="", app_url="", image_url_mask="")
    chat = apprise.Apprise.instantiate(order["url"], asset=asset)
    is_sent = bool(chat and order["body"] and chat.notify(title=order["title"], body=order["body"]))
    service = str(chat.service_name) if chat else ""
    json.dump({"service": service, "is_sent": is_sent, "log": log.getvalue()}, sys.stdout)


if __name__ == "__main__":
    main()
