"""What may be shown of the address of a judge's API, whether it is this machine's, and what stands in between."""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from harness.judges.errors import JudgeError

PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


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


def variables_set(names: Sequence[str]) -> str:
    """Those of the names that the environment sets, in words. What they hold may be secret."""
    return " or ".join(name for name in names if os.environ.get(name)) or "the environment"


def why_no_client(error: Exception) -> str:
    """Why this environment allows no client, and what to do, as a clause; the error's words may hold a secret."""
    if isinstance(error, ImportError):
        return (
            f"a SOCKS proxy that {variables_set(PROXIES)} names needs the package socksio; install it with "
            "`pip install socksio`, or unset the variable"
        )
    if isinstance(error, OSError):
        return f"{variables_set(CERTIFICATES)} names no file that can be used; correct it, or unset it"
    return (
        f"{variables_set(PROXIES)} names no proxy that can be used; write it as http://host:port or "
        "socks5://host:port, or unset it"
    )


def why_unreached(url: str, error: BaseException) -> tuple[str, str]:
    """What kept a request from the server at this address, and what to do."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "has a certificate that is not trusted here", "let SSL_CERT_FILE name its authority's certificate"
        if isinstance(cause, ssl.SSLError):
            return "made no secure connection", "see whether its address begins with http or https"
        cause = cause.__cause__ or cause.__context__
    parts, proxies = urlsplit(url), getproxies()
    proxied = (parts.scheme in proxies or "all" in proxies) and not proxy_bypass(parts.hostname or "")
    if is_loopback(parts.hostname or "") or not proxied:
        return "could not be reached", "see whether it is up"
    used = [f"{parts.scheme}_proxy"] if parts.scheme in proxies else ["all_proxy"]
    name = variables_set([used[0], used[0].upper()])
    return (
        f"could not be reached through the proxy that {name} names",
        f"see whether both are up, correct or unset {name}, or name the host in NO_PROXY",
    )
