"""A thousand connections of strangers at once: honest partners are served all the while.

    python3 floods.py PROGRAM [CONNECTIONS [SECONDS]]

Strangers connect to ACME's port, from one address and from many, and are idle, trickle, send garbage or speak another
protocol; whatever is closed is dialled anew. Meanwhile BOLT's daemon, which was there before, and CORD's `sync`, which
dials anew each time, have their entries taken, and ACME's own people can work. ACME may open only as many files as
systems usually allow.
"""

import resource
import socket
import threading
import time

from common import Failed, Group, chance, claim, count, is_alive, log_of, open_relationship, skip, verify, \
    wait_for
from relay import place_of

FILES = (1024, 524288)  # how many a process may usually open, and allow itself
SP_REQ = b"\x00SP\x00\x00\x30\x00\x00"  # how a REQ socket of the scalability protocols introduces itself
LONG_MESSAGE = SP_REQ + (900000).to_bytes(8, "big") + b"\x80\x00\x00\x01"


def trickle():
    yield LONG_MESSAGE
    while True:
        yield b"\x01"


def garbage(random):
    while True:
        yield random.randbytes(random.randrange(1, 3000))


def frames(random):
    """Well introduced, and then what is no frame of ours, with lengths that are right."""
    yield SP_REQ
    while True:
        body = b"\x80\x00\x00\x01" + bytes([random.randrange(8), 1]) + random.randbytes(random.choice((56, 72, 400)))
        yield len(body).to_bytes(8, "big") + body


def once(greeting):
    yield greeting


OTHER_PROTOCOLS = (
    b"GET / HTTP/1.1\r\nHost: acme.example\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    bytes.fromhex("16030100f1010000ed0303") + bytes(230),  # the beginning of a TLS hello
    b"\x00SP\x00\x00\x50\x00\x00",                          # nng, but PUSH
    b"\x00SP\x00\x00\x31\x00\x00",                          # nng, but REP
    b"\x00SP\x01\x00\x30\x00\x00",                          # another version of its framing
)


class Stranger:
    def __init__(self, target, source, says):
        self.target, self.source, self.says = target, source, says
        self.pipe, self.words, self.next = None, None, 0.0

    def dial(self):
        self.words = self.says()
        self.pipe = socket.socket()
        self.pipe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.pipe.bind((self.source, 0))
            self.pipe.setblocking(False)
            self.pipe.connect_ex(self.target)
        except OSError:
            self.hang_up()

    def hang_up(self):
        if self.pipe:
            self.pipe.close()
        self.pipe = None


class Flood(threading.Thread):
    """Keeps `number` strangers connected to `target`; `sources` gives each its own address, in turn."""

    PACE_S = 0.25  # between two words of one stranger

    def __init__(self, target, number, sources, kinds):
        super().__init__(daemon=True)
        self.strangers = [Stranger(target, sources[i % len(sources)], kinds[i % len(kinds)]) for i in range(number)]
        self.dialled, self.closed, self.most = 0, 0, 0
        self.is_over = False

    def run(self):
        while not self.is_over:
            for stranger in self.strangers:
                if self.is_over:
                    break
                self.look_after(stranger)
            self.most = max(self.most, sum(1 for stranger in self.strangers if stranger.pipe))
            time.sleep(0.02)
        for stranger in self.strangers:
            stranger.hang_up()

    def look_after(self, stranger):
        now = time.monotonic()
        if now < stranger.next:
            return
        stranger.next = now + self.PACE_S
        if stranger.pipe is None:
            stranger.dial()
            self.dialled += 1
            return
        try:
            try:
                while stranger.pipe.recv(65536):
                    pass
                raise OSError("closed")
            except BlockingIOError:
                pass
            word = next(stranger.words, None)
            if word:
                stranger.pipe.send(word)
        except BlockingIOError:
            pass
        except OSError:
            self.closed += 1
            stranger.hang_up()

    def stop(self):
        self.is_over = True
        self.join()


def nothing():
    return iter(())


def introduced():
    return once(SP_REQ)


def kinds_of(random):
    return (nothing, introduced, trickle, lambda: garbage(random), lambda: frames(random)) + tuple(
        lambda greeting=greeting: once(greeting) for greeting in OTHER_PROTOCOLS)


class Honest:
    """ACME, BOLT whose daemon was there before, CORD who comes and goes."""

    def __init__(self, acme, bolt, cord, relationships):
        self.acme, self.bolt, self.cord = acme, bolt, cord
        self.with_bolt, self.with_cord = relationships
        self.number = self.tries = self.failed_tries = 0
        self.slowest_s = 0.0

    def offer(self, side, relationship):
        self.number += 1
        return side.run("propose", "action", "-r", relationship, "title=Number %d" % self.number)["ref"]

    def has(self, side, relationship, ref):
        return any(item["ref"] == ref for item in side.run("list", "action", "-r", relationship)["items"])

    def try_to_sync(self):
        """Strangers may take the place of somebody who has not shown yet who he is: then a person tries again."""
        self.tries += 1
        try:
            return self.cord.run("sync", codes=(0,))
        except Failed as failed:
            if "sync again" not in failed.error.get("next", ""):
                raise
            self.failed_tries += 1
            return None

    def exchange(self):
        """Each tells the other something; every step must end in a moment of a person's patience."""
        began = time.monotonic()
        for one, other in ((self.acme, self.bolt), (self.bolt, self.acme)):
            ref = self.offer(one, self.with_bolt)
            wait_for(lambda: self.has(other, self.with_bolt, ref), "%s's word at %s" % (one.code, other.code))
        ref = self.offer(self.cord, self.with_cord)
        wait_for(self.try_to_sync, "CORD is served")
        claim(self.has(self.acme, self.with_cord, ref), "CORD's sync was served")
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)


def under(honest, flood, name, seconds):
    honest.tries = honest.failed_tries = honest.slowest_s = 0
    flood.start()
    try:
        wait_for(lambda: flood.dialled >= len(flood.strangers), "all strangers have come")
        until = time.monotonic() + seconds
        rounds = 0
        while rounds == 0 or time.monotonic() < until:
            honest.exchange()
            rounds += 1
        claim(is_alive(honest.acme), "%s: %d exchanges while %d strangers were there (%d dialled, %d closed); slowest %.1f s, "
              "%d of %d syncs had to be tried again" % (name, rounds, flood.most, flood.dialled, flood.closed,
                                                      honest.slowest_s, honest.failed_tries, honest.tries))
    finally:
        flood.stop()


def files_as_usual():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, tuple(min(number, most) for number in FILES))


def main():
    connections, seconds, random = count(1, 1000), count(2, 1), chance()
    files, most = connections + 200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most < 2 * files:
        skip("this process may open %d files, not %d" % (most, 2 * files))
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    group = Group("ACME", "BOLT", "CORD")
    with group as (acme, bolt, cord):
        acme.before_start = files_as_usual
        began = time.monotonic()
        acme.start()
        with_bolt = open_relationship(acme, [bolt], "Acme and Bolt")
        with_cord = open_relationship(acme, [cord], "Acme and Cord")
        bolt.start()
        honest = Honest(acme, bolt, cord, (with_bolt, with_cord))
        honest.exchange()
        target = place_of(acme.address)
        one, many = ["127.0.0.2"], ["127.0.1.%d" % i for i in range(1, 101)]
        kinds = kinds_of(random)
        for name, sources, says in (("all kinds, one address", one, kinds), ("idle, one address", one, (nothing,)),
                                    ("introduced, many addresses", many, (introduced,)),
                                    ("all kinds, many addresses", many, kinds)):
            under(honest, Flood(target, connections, sources, says), name, seconds)
        refusals = [line for line in log_of(acme).splitlines() if " refused from=" in line]
        claim(refusals and len(refusals) <= 1 + time.monotonic() - began, "ACME tells of refusals once a second, no more")
        bolt.stop()
        acme.stop()
        verify(acme, bolt, cord)


if __name__ == "__main__":
    main()
