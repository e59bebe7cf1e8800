"""Bad lines: delayed, trickling, losing bytes, altering bytes, cut, half closed, silent. Work goes on, nothing is lost.

    python3 lines.py PROGRAM [ROUNDS [ROWS]]

BOLT's daemon dials ACME's through a relay that does one bad thing after another, ROUNDS times, while both write. A slow
line brings both into step; after any other, they come into step by themselves when the line is fine again. From two
rounds on also what only the program's own patience ends: a line that swallows everything while somebody waits.
"""

import queue
import socket
import threading
import time

from common import Group, Organisation, chance, claim, count, invite, is_alive, open_relationship, table, \
    titles_of, told, verify, wait_for, wait_in_step
from relay import Relay, hang_up

DELAY_S = 0.1          # each way
LONG_DELAY_S = 1.5     # in the long form
TRICKLE_BYTES = 16384  # a second


class BadLine(Relay):
    """Passes chunks on as `manner(line, sink, chunk)` does, late by `delay_s`; both may be changed at any time."""

    def __init__(self, target, random):
        self.random, self.manner, self.delay_s = random, plain, 0.0
        self.suffered = threading.Event()  # the manner has touched something
        super().__init__(target)

    def forward(self, source, sink, is_answer):
        late = queue.Queue(maxsize=64)
        writer = threading.Thread(target=self.deliver, args=(late, source, sink), daemon=True)
        writer.start()
        try:
            while True:
                chunk = source.recv(65536)
                if not chunk:
                    return
                late.put((time.monotonic() + self.delay_s, chunk))
        finally:
            late.put((0, b""))
            writer.join()

    def deliver(self, late, source, sink):
        is_whole = True
        while True:
            due, chunk = late.get()
            if not chunk:
                return
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                if is_whole:
                    self.manner(self, sink, chunk)
            except OSError:
                is_whole = False
                hang_up(source, sink)

    def be(self, manner, delay_s=0.0):
        self.suffered.clear()
        self.manner, self.delay_s = manner, delay_s

    def be_fine(self):
        self.be(plain)
        self.cut()


def plain(line, sink, chunk):
    sink.sendall(chunk)
    line.suffered.set()


def trickle(line, sink, chunk):
    step = TRICKLE_BYTES // 20
    for at in range(0, len(chunk), step):
        sink.sendall(chunk[at:at + step])
        time.sleep(0.05)
    line.suffered.set()


def lose(line, sink, chunk):
    """Some bytes in the midst are missing."""
    at = line.random.randrange(len(chunk))
    sink.sendall(chunk[:at] + chunk[at + 1 + line.random.randrange(64):])
    line.suffered.set()


def alter(line, sink, chunk):
    changed = bytearray(chunk)
    for _ in range(1 + len(chunk) // 1000):
        changed[line.random.randrange(len(chunk))] ^= 1 << line.random.randrange(8)
    sink.sendall(changed)
    line.suffered.set()


def cut(line, sink, chunk):
    sink.sendall(chunk[:line.random.randrange(len(chunk) + 1)])
    line.suffered.set()
    raise OSError("cut")


def half_close(line, sink, chunk):
    """One direction ends in the midst of a message, the other stays."""
    sink.sendall(chunk[:line.random.randrange(len(chunk) + 1)])
    sink.shutdown(socket.SHUT_WR)
    line.suffered.set()


def swallow(line, _sink, _chunk):
    line.suffered.set()


BROKEN = (("losing bytes", lose), ("altering bytes", alter), ("cut in the midst", cut), ("half closed", half_close),
          ("silent", swallow))


class Writers:
    """Both sides import some actions; keeps their titles."""

    def __init__(self, folder, sides, rows):
        self.folder, self.sides, self.rows, self.titles = folder, sides, rows, []

    def write(self, what):
        for side in self.sides:
            titles = ["%s %s %d" % (side.code, what, row) for row in range(self.rows)]
            side.run("import", "action", table(self.folder, side.code, titles))
            self.titles += titles

    def all_there(self, side):
        return titles_of(side) == sorted(self.titles)


def one_round(line, writers, number, delay_s):
    acme, bolt = writers.sides
    for name, manner, delay_s in (("delayed", plain, delay_s), ("trickling", trickle, 0.0)):
        line.be(manner, delay_s)
        writers.write("%s %d" % (name, number))
        wait_for(lambda: all(writers.all_there(side) for side in (acme, bolt)), "both hold all over a line " + name)
        claim(line.suffered.is_set(), "a line %s is slow, and enough" % name)
        line.be_fine()
    for name, manner in BROKEN:
        line.be(manner)
        writers.write("%s %d" % (name, number))
        wait_for(line.suffered.is_set, "something passes the line")
        time.sleep(line.random.random() * 0.5)  # let it go on being bad for a while
        claim(is_alive(acme) and is_alive(bolt), "both daemons live on a line %s" % name)
        line.be_fine()
        wait_for(lambda: all(writers.all_there(side) for side in (acme, bolt)), "both hold all after a line " + name)
        claim(True, "after a line %s both hold all %d" % (name, len(writers.titles)))


def check_offline(line, writers):
    """Nobody answers there for a while, and each side says so."""
    acme, bolt = writers.sides
    there, line.target = line.target, "tcp://127.0.0.1:1"
    line.cut()
    writers.write("offline")
    claim(bolt.run("status")["exit"] == 3 and acme.run("status")["exit"] == 3, "apart, status says: not in step")
    line.target = there
    wait_for(lambda: all(writers.all_there(side) for side in (acme, bolt)), "they find each other again")


def check_sync(group, acme, random, is_long):
    """A person's `sync` over a bad line ends, with what happened and what to do."""
    cord = Organisation(group.folder, "CORD")
    cord.init()
    relationship = acme.run("open", "Acme and Cord", "--party", "CORD")["relationship"]
    invite(acme, cord, relationship)
    line = BadLine(acme.address, random)
    cord.run("confirm", "ACME", "--address", line.address)
    for name, manner in BROKEN:
        if manner in (cut, half_close) or is_long:
            cord.run("propose", "action", "title=Over a line " + name)
            line.be(manner)
            error = told(cord.refused("sync"), "nobody could be reached: ACME", "sync again")
            claim(error["exit"] == 1, "a sync over a line %s fails" % name)
            line.be_fine()
    claim(cord.run("sync")["exit"] == 0, "and goes well when the line is fine")
    line.close()


def main():
    rounds, rows, random = count(1, 1), count(2, 8), chance()
    group = Group("ACME", "BOLT")
    with group as (acme, bolt):
        acme.start()
        relationship = open_relationship(acme, [bolt])
        line = BadLine(acme.address, random)
        bolt.run("confirm", "ACME", "--address", line.address)
        bolt.start()
        writers = Writers(group.folder, (acme, bolt), rows)
        for number in range(rounds):
            one_round(line, writers, number, LONG_DELAY_S if rounds > 1 else DELAY_S)
        check_offline(line, writers)
        wait_in_step(acme, bolt)
        check_sync(group, acme, random, rounds > 1)
        for side in (acme, bolt):
            side.stop()
        verify(acme, bolt)
        line.close()


if __name__ == "__main__":
    main()
