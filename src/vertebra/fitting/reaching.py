"""Whether a server can be reached at all, found out within seconds: nobody should wait for a network that is away."""

from __future__ import annotations

import socket
import threading
import urllib.request
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}
SECONDS = 3.0


def reachable(url: str, seconds: float = SECONDS) -> bool:
    """Whether something takes connections where ``url`` leads, through the proxy that the system names, if it does."""
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    host, port = parts.hostname, parts.port or PORTS.get(parts.scheme, 80)
    found: list[bool] = []

    def knock() -> None:
        try:
            socket.create_connection((host, port), timeout=seconds).close()
        except OSError:
            return
        found.append(True)

    if not host:
        return False
    # Looking up a name knows no limit of time, so it waits in a thread that may be left behind.
    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(found)
