"""Messages between a client and a template, over a Unix stream socket.

A message is a JSON object behind its length; file descriptors travel beside its first byte.

- `send(sock, message, fds)`: send one message
- `Inbox(sock)`: read messages as their bytes arrive, whole or in pieces
"""

import array
import json
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any

from .errors import WarmError

__all__ = ["Inbox", "send"]

_LENGTH = struct.Struct("!I")
# an environment has at most a few megabytes; more is a mistake or an attack
_LARGEST = 16 * 2**20
_FDS_AT_ONCE = 16


def send(sock: socket.socket, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
    """Send `message`, and with it copies of the file descriptors `fds`."""
    body = json.dumps(message).encode()
    packet = _LENGTH.pack(len(body)) + body
    sent = socket.send_fds(sock, [packet], fds) if fds else 0
    sock.sendall(packet[sent:])


class Inbox:
    """What has arrived on `sock`: `receive` reads, `messages` hands out what is complete.

    Descriptors that arrived and were not taken with `take_fds` are closed by `close`.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.fds: list[int] = []
        self._bytes = b""

    def receive(self) -> bool:
        """Read once from the socket; False if the other side has closed it."""
        # MSG_CMSG_CLOEXEC: a descriptor must not slip into a program started meanwhile
        room = socket.CMSG_SPACE(_FDS_AT_ONCE * array.array("i").itemsize)
        data, extras, _, _ = self.sock.recvmsg(2**16, room, socket.MSG_CMSG_CLOEXEC)
        for level, kind, payload in extras:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                whole = len(payload) - len(payload) % array.array("i").itemsize
                self.fds += array.array("i", payload[:whole])
        self._bytes += data
        return bool(data)

    def message(self) -> dict[str, Any] | None:
        """Return the next complete message, or None if there is none yet."""
        if len(self._bytes) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._bytes)
        if length > _LARGEST:
            raise WarmError(f"a message of {length} bytes is larger than allowed ({_LARGEST})")
        end = _LENGTH.size + length
        if len(self._bytes) < end:
            return None
        body, self._bytes = self._bytes[_LENGTH.size : end], self._bytes[end:]
        try:
            message = json.loads(body)
        except ValueError as error:
            raise WarmError("a message is not JSON") from error
        if not isinstance(message, dict):
            raise WarmError("a message is not a JSON object")
        return message

    def next(self) -> dict[str, Any]:
        """Wait for the next message, as long as the socket's timeout allows.

        Raises:
            EOFError: the other side closed the connection first.
        """
        while (message := self.message()) is None:
            if not self.receive():
                raise EOFError("the connection was closed")
        return message

    def take_fds(self) -> list[int]:
        """Return the descriptors that have arrived; the caller closes them."""
        taken, self.fds = self.fds, []
        return taken

    def close(self) -> None:
        """Close the socket and every descriptor that nobody took."""
        for fd in self.take_fds():
            os.close(fd)
        self.sock.close()
