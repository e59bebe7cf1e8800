"""Something else listens where a counterpart is said to be: `sync` and the daemon say so, and the right address helps.

    python3 wrong_port.py PROGRAM [ALL]

With ALL (any number but 0) also listeners that leave us waiting, which only patience ends.
"""

import socket
import threading

from common import Group, claim, count, is_alive, log_of, open_relationship, told, verify, wait_for, wait_in_step

SP_REP = b"\x00SP\x00\x00\x31\x00\x00"  # how a REP socket of the scalability protocols introduces itself


def message(body):
    return len(body).to_bytes(8, "big") + body


class Other:
    """Says something to whoever connects, answers whatever comes, and hangs up at the end or waits."""

    def __init__(self, greeting, answer=None, stays=False):
        self.greeting, self.answer, self.stays = greeting, answer, stays
        self.count = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "tcp://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.pipes = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                pipe, _ = self.listener.accept()
            except OSError:
                return
            self.count += 1
            self.pipes.append(pipe)
            threading.Thread(target=self.talk, args=(pipe,), daemon=True).start()

    def talk(self, pipe):
        try:
            pipe.sendall(self.greeting)
            while True:
                heard = pipe.recv(65536)
                if not heard:
                    return
                if self.answer:
                    pipe.sendall(self.answer(heard))
                elif not self.stays:
                    break
            pipe.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self):
        for pipe in [self.listener] + self.pipes:
            try:
                pipe.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            pipe.close()


def as_rep(frame):
    """An nng REP that answers with one frame, whatever was asked."""
    def answer(heard):
        at = heard.rfind(b"\x80") if len(heard) < 12 else 8
        return message(heard[at:at + 4] + frame) if len(heard) > 12 else b""
    return answer


OTHERS = (
    ("a web server", Other, (b"", lambda _: b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")),
    ("an SSH server", Other, (b"SSH-2.0-OpenSSH_9.2\r\n",)),
    ("a TLS server", Other, (bytes.fromhex("15030100020246"),)),
    ("nng REP that refuses", Other, (SP_REP, as_rep(b"\x06"))),
    ("nng REP that answers anything", Other, (SP_REP, as_rep(b"\x03" + bytes(56)))),
    ("nng REP whose answers are too long", Other, (SP_REP, lambda _: b"\x7f" + b"\xff" * 7 + bytes(4096))),
    ("a port that hangs up", Other, (b"",)),
)
SILENT = (
    ("nng PULL", Other, (b"\x00SP\x00\x00\x51\x00\x00", None, True)),
    ("a port that says nothing", Other, (b"", None, True)),
)


def main():
    with Group("ACME", "BOLT") as (acme, bolt):
        acme.start()
        open_relationship(acme, [bolt])
        bolt.run("propose", "action", "title=To whom it may concern")
        for name, make, how in OTHERS + (SILENT if count(1, 0) else ()):
            other = make(*how)
            bolt.run("confirm", "ACME", "--address", other.address)
            error = told(bolt.refused("sync"), "nobody could be reached: ACME")
            claim(error["exit"] == 1 and other.count, "dialling " + name)
            other.close()
        other = Other(b"SSH-2.0-OpenSSH_9.2\r\n")
        bolt.run("confirm", "ACME", "--address", other.address)
        bolt.start()
        wait_for(lambda: other.count > 1, "the daemon tries again")
        wait_for(lambda: "trouble partner=ACME" in log_of(bolt), "it says what is wrong")
        claim(is_alive(bolt), "a daemon says what is wrong, and goes on trying")
        bolt.stop()
        bolt.run("confirm", "ACME", "--address", acme.address)
        bolt.start()
        wait_in_step(acme, bolt)
        other.close()
        bolt.stop()
        acme.stop()
        verify(acme, bolt)


if __name__ == "__main__":
    main()
