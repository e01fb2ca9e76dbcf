"""A real HTTP receiver on loopback that keeps what it is sent, and answers as it is told."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """`answers`: the codes of the next answers, then 200. While `hangs` is set it answers nobody."""

    port: int = 0
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """The key in the header and the body of each message."""
    answers: list[int] = field(default_factory=list)
    redirect_to: str = ""
    is_released: threading.Event = field(default_factory=threading.Event)
    hangs: bool = False

    @property
    def url(self) -> str:
        return f"json://tester:s3cret@127.0.0.1:{self.port}/hook/t0ken"


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Serve a receiver at a free port."""
    box = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if box.hangs:
                box.is_released.wait(30)
                return
            code = box.answers.pop(0) if box.answers else 200
            if code == 200:
                box.received.append((self.headers["Idempotency-Key"], json.loads(body)))
            self.send_response(code)
            if box.redirect_to:
                self.send_header("Location", box.redirect_to)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    box.port = server.server_port
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield box
    finally:
        box.is_released.set()
        server.shutdown()
        server.server_close()
