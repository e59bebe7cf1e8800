"""A loopback forwarder that reads nng's messages as they pass and slips its own requests among them.

nng's stream (SP over TCP): each side says hello in 8 bytes, then come messages of an 8-byte length and a body, which
begins with the 4 bytes by which REQ and REP match an answer to its request. What follows is one of our frames.
"""

import queue
import socket
import threading

HELLO_BYTES = 8
OURS = 0x7F  # the second byte of our own request ids; counting up from a random start, nng does not get there by chance
ANSWER_WAIT_S = 180


def read_exactly(pipe, count):
    got = b""
    while len(got) < count:
        chunk = pipe.recv(count - len(got))
        if not chunk:
            raise OSError("closed")
        got += chunk
    return got


def read_message(pipe):
    """The request id and the frame."""
    body = read_exactly(pipe, int.from_bytes(read_exactly(pipe, 8), "big"))
    return body[:4], body[4:]


def write_message(pipe, number, frame):
    pipe.sendall((len(frame) + 4).to_bytes(8, "big") + number + frame)


class Wire:
    """Forwards to `target`. Before each request goes on, those that `slip(wire, frame)` gives are sent and answered."""

    def __init__(self, target, slip=None):
        self.target, self.slip = target, slip
        self.requests, self.answers = [], []  # frames, as they passed
        self.refused, self.let_in = 0, []     # of what was slipped in: how many got 06, and what got anything else
        self.sockets = []
        self.trouble = None
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
            far.sendall(read_exactly(near, HELLO_BYTES))
            near.sendall(read_exactly(far, HELLO_BYTES))
            slipped = queue.Queue()
            threading.Thread(target=self.forward, args=(near, far, slipped), daemon=True).start()
            threading.Thread(target=self.back, args=(far, near, slipped), daemon=True).start()

    def forward(self, near, far, slipped):
        try:
            while True:
                number, frame = read_message(near)
                for extra in self.slip(self, frame) if self.slip else ():
                    write_message(far, bytes([0x80, OURS, 0, 0]), extra)
                    answer = slipped.get(timeout=ANSWER_WAIT_S)
                    if answer == b"\x06":
                        self.refused += 1
                    else:
                        self.let_in.append((extra, answer))
                self.requests.append(frame)
                write_message(far, number, frame)
        except OSError:
            self.hang_up(near, far)
        except BaseException as trouble:  # told by the scenario
            self.trouble = trouble
            self.hang_up(near, far)

    def back(self, far, near, slipped):
        try:
            while True:
                number, frame = read_message(far)
                if number[1] == OURS and number[2:] == b"\x00\x00":
                    slipped.put(frame)
                    continue
                self.answers.append(frame)
                write_message(near, number, frame)
        except OSError:
            self.hang_up(near, far)

    @staticmethod
    def hang_up(*pipes):
        for pipe in pipes:
            try:
                pipe.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.hang_up(*self.sockets)
        for one in [self.listener] + self.sockets:
            one.close()
