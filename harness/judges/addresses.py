"""Pure: what may be shown of the address of a judge's API, and whether it is this machine's."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from harness.judges.errors import JudgeError


def shown(url: str) -> str:
    """An address without user name, password, query and fragment. Raises JudgeError when it is none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in ("http", "https") or not host:
        raise JudgeError("The address of a judge's API is no http or https URL; give one such as https://host/v1.")
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}{f':{port}' if port else ''}{parts.path}"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name or number."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
