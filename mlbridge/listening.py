"""Where `mlbridge monitor` and `mlbridge serve` may listen."""

from __future__ import annotations

import errno
import ipaddress
import socket

from mlbridge.errors import SetupError

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def check_address(address: str, port: int, allow_remote: bool, danger: str, option: str) -> None:
    """Raise SetupError where other machines could connect and `allow_remote` is False, and where the port is taken.

    `danger` says what could then happen to `address:port` and what to do; `option` is that of the address.
    """
    if not allow_remote and not is_loopback(address):
        raise SetupError(f"whoever reaches {address}:{port} could {danger}")
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        socket.getaddrinfo(address, port, family)  # of a name that no machine can have it opens no socket
        with socket.create_server((address, port), family=family):
            return
    except (OSError, UnicodeError) as error:  # a name that cannot be one of a machine is a UnicodeError
        taken = isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EACCES)
        other = "--port" if taken else option
        raise SetupError(f"{address}:{port} cannot be listened on: {error}. Choose another {other}.") from error


def is_loopback(address: str) -> bool:
    """Return whether an address is of this machine only; a name other than localhost may be of any."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
