"""A TCP proxy that a test can shut: an outage of any server, however that server was started."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType


class Gate:
    """Passes connections to a server on; shut, it refuses them; silent, it accepts them and never answers.

    A context manager. Its address stays the same from one outage to the next.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._open_sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self._silent = False
        self._address = ("127.0.0.1", 0)

    @property
    def address(self) -> str:
        """`host:port` to connect to."""
        return f"{self._address[0]}:{self._address[1]}"

    def open(self) -> None:
        """Pass connections on."""
        self.shut()
        self._silent = False
        self._listen()

    def silence(self) -> None:
        """Accept connections, and answer none."""
        self.shut()
        self._silent = True
        self._listen()

    def shut(self) -> None:
        """Refuse connections, and cut those there are."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            cut = list(self._open_sockets)
        for connection in cut:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._threads.clear()

    def __enter__(self) -> Gate:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shut()

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(self._address)
        listener.listen()
        self._address = listener.getsockname()
        self._listener = listener
        self._run(self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._run(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client:
            self._note(client)
            try:
                if self._silent:
                    with suppress(OSError):
                        while client.recv(65_536):
                            pass
                    return
                with suppress(OSError), socket.create_connection(self._target) as server:
                    self._note(server)
                    try:
                        back = threading.Thread(target=_pump, args=(server, client), daemon=True)
                        back.start()
                        _pump(client, server)
                        back.join()
                    finally:
                        self._forget(server)
            finally:
                self._forget(client)

    def _run(self, work: object, connection: socket.socket) -> None:
        thread = threading.Thread(target=work, args=(connection,), daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _note(self, connection: socket.socket) -> None:
        with self._lock:
            self._open_sockets.add(connection)

    def _forget(self, connection: socket.socket) -> None:
        with self._lock:
            self._open_sockets.discard(connection)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
