"""A loopback forwarder whose answers can be shut off: how a scenario lets a request through and loses what comes back."""

import socket
import threading


class Valve:
    """Forwards every connection to `target`; after `answers` chunks towards the dialler nothing more goes back."""

    def __init__(self, target, answers):
        self.target = target
        self.left = answers
        self.lock = threading.Lock()
        self.sockets = []
        self.shut = threading.Event()  # something was held back
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "tcp://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            host, port = self.target[len("tcp://"):].rsplit(":", 1)
            far = socket.create_connection((host, int(port)))
            self.sockets += [near, far]
            threading.Thread(target=self.forward, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self.forward, args=(far, near, True), daemon=True).start()

    def forward(self, source, sink, is_answer):
        try:
            while True:
                chunk = source.recv(65536)
                if not chunk:
                    return
                if is_answer and not self.may_pass():
                    continue
                sink.sendall(chunk)
        except OSError:
            return

    def may_pass(self):
        with self.lock:
            self.left -= 1
            if self.left < 0:
                self.shut.set()
            return self.left >= 0

    def close(self):
        for one in [self.listener] + self.sockets:
            try:
                one.close()
            except OSError:
                pass
