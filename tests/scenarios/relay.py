"""Loopback forwarders between two nodes: plain, with a valve, and with a hand on nng's messages as they pass.

nng's stream (SP over TCP): each side says hello in 8 bytes, then come messages of an 8-byte length and a body, which
begins with the 4 bytes by which REQ and REP match an answer to its request. What follows is one of our frames.
"""

import queue
import socket
import threading

HELLO_BYTES = 8
OURS = 0x7F  # the second byte of our own request ids; counting up from a random start, nng does not get there by chance
ANSWER_WAIT_S = 180


def place_of(address):
    host, port = address[len("tcp://"):].rsplit(":", 1)
    return host, int(port)


def hang_up(*pipes):
    for pipe in pipes:
        try:
            pipe.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Relay:
    """Forwards every connection to `target`, as it comes. When nobody answers there, it hangs up."""

    def __init__(self, target):
        self.target = target
        self.lock = threading.Lock()
        self.pairs = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "tcp://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(place_of(self.target))
            except OSError:
                near.close()
                continue
            with self.lock:
                self.pairs.append((near, far))
            try:
                self.join(near, far)
            except OSError:
                hang_up(near, far)

    def join(self, near, far):
        """A new connection: `near` has dialled, `far` is the target's side. Returns at once."""
        for ends in ((near, far, False), (far, near, True)):
            threading.Thread(target=self.run, args=(self.forward,) + ends, daemon=True).start()

    def run(self, forward, source, sink, *more):
        try:
            forward(source, sink, *more)
        except OSError:
            pass
        hang_up(source, sink)

    def forward(self, source, sink, is_answer):
        while True:
            chunk = source.recv(65536)
            if not chunk:
                return
            self.send(sink, chunk, is_answer)

    def send(self, sink, chunk, is_answer):
        sink.sendall(chunk)

    def cut(self):
        """Ends every connection there is."""
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for near, far in pairs:
            hang_up(near, far)

    def close(self):
        hang_up(self.listener)
        self.listener.close()
        self.cut()


class Valve(Relay):
    """After `answers` chunks towards the dialler nothing more goes back."""

    def __init__(self, target, answers):
        self.left = answers
        self.shut = threading.Event()  # something was held back
        super().__init__(target)

    def send(self, sink, chunk, is_answer):
        if not is_answer or self.may_pass():
            sink.sendall(chunk)

    def may_pass(self):
        with self.lock:
            self.left -= 1
            if self.left < 0:
                self.shut.set()
            return self.left >= 0


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


class Wire(Relay):
    """Before each request goes on, those that `slip(wire, frame)` gives are sent and answered."""

    def __init__(self, target, slip=None):
        self.slip = slip
        self.requests, self.answers = [], []  # frames, as they passed
        self.refused, self.let_in = 0, []     # of what was slipped in: how many got 06, and what got anything else
        self.trouble = None
        super().__init__(target)

    def join(self, near, far):
        far.sendall(read_exactly(near, HELLO_BYTES))
        near.sendall(read_exactly(far, HELLO_BYTES))
        slipped = queue.Queue()
        for forward, source, sink in ((self.ask, near, far), (self.back, far, near)):
            threading.Thread(target=self.run, args=(forward, source, sink, slipped), daemon=True).start()

    def ask(self, near, far, slipped):
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
            raise
        except BaseException as trouble:  # told by the scenario
            self.trouble = trouble
            hang_up(near, far)

    def back(self, far, near, slipped):
        while True:
            number, frame = read_message(far)
            if number[1] == OURS and number[2:] == b"\x00\x00":
                slipped.put(frame)
                continue
            self.answers.append(frame)
            write_message(near, number, frame)
