"""What happens to daemons: stopped in the midst, frozen for longer than sessions live, started twice, home taken away.

    python3 daemon.py PROGRAM [ROUNDS [PROCESSES [FROZEN_SECONDS]]]

ROUNDS times each daemon is stopped by SIGTERM while both sides write; PROCESSES commands at once write to a home whose
daemon runs; one daemon is frozen by SIGSTOP for FROZEN_SECONDS (sessions and requests end after some 30).
"""

import os
import shutil
import signal
import subprocess
import time

from common import Group, chance, claim, count, is_alive, log_of, open_relationship, table, titles_of, told, \
    verify, wait_for, wait_in_step


class Work:
    """What both sides have said so far."""

    def __init__(self, group, sides):
        self.folder, self.sides, self.titles, self.number = group.folder, sides, [], 0

    def write(self, side, rows=20):
        self.number += 1
        titles = ["%s %d.%d" % (side.code, self.number, row) for row in range(rows)]
        side.run("import", "action", table(self.folder, side.code, titles))
        self.titles += titles

    def is_everywhere(self):
        return all(titles_of(side) == sorted(self.titles) for side in self.sides)

    def settles(self, what):
        wait_for(self.is_everywhere, what + ": both hold all %d" % len(self.titles))
        wait_in_step(*self.sides)


def check_stopped(work, rounds, random):
    """SIGTERM at any moment ends a daemon with exit code 0 (stop() raises otherwise), and soon."""
    slowest_s = 0.0
    for _ in range(rounds):
        for side in work.sides:
            for other in work.sides:
                work.write(other)
            time.sleep(random.random() * 0.2)
            began = time.monotonic()
            side.stop()
            slowest_s = max(slowest_s, time.monotonic() - began)
            work.write(side)
            side.start()
    work.settles("%d daemons stopped in the midst, the slowest in %.1f s" % (2 * rounds, slowest_s))


def check_frozen(work, seconds):
    """A daemon that does not answer, with its connection open, holds up nobody but itself."""
    acme, bolt = work.sides
    for frozen, other in ((acme, bolt), (bolt, acme)):
        frozen.daemon.send_signal(signal.SIGSTOP)
        try:
            work.write(other)
            work.write(frozen)  # commands work on a home whose daemon is frozen
            claim(other.run("status")["exit"] == 3, "%s sees that %s has not received all" % (other.code, frozen.code))
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                work.write(other, 2)
                time.sleep(min(2.0, seconds))
        finally:
            frozen.daemon.send_signal(signal.SIGCONT)
        work.settles("%s frozen for %d s" % (frozen.code, seconds))


def check_twice(work):
    acme = work.sides[0]
    error = told(acme.refused("serve", "--listen", "tcp://127.0.0.1:0"), "stop that one first")
    claim(error["exit"] == 1 and str(acme.daemon.pid) in error["message"], "it names the process")
    taken = told(work.sides[1].refused("serve", "--listen", acme.address))
    claim(taken["exit"] == 1, "BOLT has a daemon too")
    work.write(acme)
    work.settles("the daemon that was there goes on")


def check_many(work, processes):
    """Many commands at once on one home, while its daemon sends and takes."""
    acme = work.sides[0]
    titles = ["At once %d" % number for number in range(processes)]
    running = [subprocess.Popen(acme.process(["propose", "action", "title=" + title, "--json"]), env=acme.environment,
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
               for title in titles]
    work.write(work.sides[1])
    done = [(title, process, process.communicate()[1]) for title, process in zip(titles, running)]
    busy = [said for _, process, said in done if process.returncode != 0]
    claim(not busy, "%d commands at once are all done %s" % (processes, busy[:1]))
    work.titles += titles
    work.settles("%d at once" % processes)
    claim(len(acme.items()) == len(work.titles), "each has a reference of its own")


def ends(side, *words):
    """Its daemon ends by itself, and what it says last holds these words."""
    wait_for(lambda: not is_alive(side), "%s's daemon ends" % side.code)
    code = side.daemon.wait()
    side.daemon.stdout.close()
    side.daemon = None
    said = log_of(side).splitlines()[-1]
    claim(code == 1 and all(word in said for word in words), "%s's daemon ends with 1: %s" % (side.code, said))


def check_taken_away(work):
    """A home that is moved away or deleted under its daemon: it takes nothing more, says why, and ends."""
    acme, bolt = work.sides
    aside = bolt.home + ".aside"
    os.rename(bolt.home, aside)
    ends(bolt, bolt.home, "was removed or replaced", "put the home back")
    error = told(bolt.refused("status"), "there is no home")
    claim(error["exit"] == 1, "commands say so too")
    os.rename(aside, bolt.home)
    bolt.start()
    work.write(acme)
    work.settles("a home moved away and back")

    shutil.copytree(bolt.home, aside)
    shutil.rmtree(bolt.home)
    acme.run("propose", "action", "title=Into nothing")
    ends(bolt, "was removed or replaced")
    party = acme.status()["parties"][0]
    claim(acme.run("status")["exit"] == 3 and party["holds_ours"] < acme.status()["ours"],
          "ACME has no receipt for what nobody holds")
    claim(not os.path.exists(os.path.join(bolt.home, "counterpart.db")), "nothing is made where the home was")
    os.rename(aside, bolt.home)
    error = told(bolt.refused("serve", "--listen", bolt.address), "copy")
    claim(error["exit"] == 1, "a copy in its place is known as one")


def main():
    rounds, processes, frozen_s, random = count(1, 2), count(2, 32), count(3, 1), chance()
    group = Group("ACME", "BOLT")
    with group as (acme, bolt):
        acme.start()
        open_relationship(acme, [bolt])
        bolt.start()
        work = Work(group, (acme, bolt))
        check_stopped(work, rounds, random)
        for side in work.sides:
            claim("another state" not in log_of(side), "no false alarm at " + side.code)
        check_frozen(work, frozen_s)
        check_twice(work)
        check_many(work, processes)
        verify(acme, bolt)
        check_taken_away(work)
        acme.stop()
        verify(acme)


if __name__ == "__main__":
    main()
