"""`kill -9` of either daemon at any moment while both sides write: nothing acknowledged is lost, both end in step.

    python3 killed.py PROGRAM [KILLS [ENTRIES]]

Half of the entries wait on both sides when the daemons first meet. The other half is written while they are killed:
lists of actions are imported, offers of the other side are accepted. Acknowledged is what a command that succeeded has
said, and every entry below the size of a receipt that its author holds. The random numbers begin at
COUNTERPART_TEST_SEED, which is printed; what the machine does with its time is not repeatable.
"""

import os
import random
import signal
import sys
import threading
import time

from counterpart import Failed, Group, claim, open_relationship, verify, wait_for, wait_in_step

CHUNK = 50  # rows of one import
PAUSE_S = 0.5  # at most so long between two kills
WRITING_S = 600  # by when all is written; busy machines are slow at it


class Writer(threading.Thread):
    """Imports chunk after chunk and accepts what the other has offered; keeps what was acknowledged."""

    def __init__(self, us, folder, seed, chunks):
        super().__init__(daemon=True)
        self.us, self.folder, self.chunks, self.backlog = us, folder, chunks, chunks // 2
        self.random = random.Random("%d %s" % (seed, us.code))
        self.other = None
        self.titles, self.proposals, self.accepted, self.refusals = [], [], [], []
        self.may_write = threading.Semaphore(0)
        self.trouble = None

    def run(self):
        try:
            for number in range(self.backlog, self.chunks):
                self.may_write.acquire()
                self.offer(number)
                self.accept()
        except BaseException as trouble:  # told by the scenario, which waits for this thread
            self.trouble = trouble

    def offer(self, number):
        titles = ["%s %d.%d" % (self.us.code, number, row) for row in range(CHUNK)]
        path = os.path.join(self.folder, "%s.csv" % self.us.code.lower())
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(["title"] + titles) + "\n")
        self.proposals += self.us.run("import", "action", path)["proposals"]
        self.titles += titles

    def accept(self):
        proposal = self.random.choice(self.other.proposals)
        try:
            self.us.run("accept", proposal, "--yes")
            self.accepted.append(proposal)
        except Failed as failed:  # not here yet, or accepted before
            if failed.code != 1:
                raise
            self.refusals.append(failed.error.get("message", ""))

    def is_done(self):
        if self.trouble:
            raise self.trouble
        return not self.is_alive()


def party(organisation, other):
    return [one for one in organisation.status()["parties"] if one["code"] == other.code][0]


def kill_one(sides, chance, number):
    """Kills one of the daemons, and starts it again when it holds all that the other has a receipt for."""
    time.sleep(PAUSE_S * chance.random() ** 2)  # more often early: that is when much is under way
    victim, other = chance.sample(sides, 2)
    victim.stop(signal.SIGKILL)
    receipt = party(other, victim)["holds_ours"]
    held = party(victim, other)["we_hold"]
    if held < receipt:
        raise AssertionError("kill %d: %s signed for %d entries of %s and holds %d"
                             % (number, victim.code, receipt, other.code, held))
    victim.start()
    return receipt


def kill_many(sides, writers, kills, seed):
    chance = random.Random(seed)
    left = writers[0].chunks - writers[0].backlog
    receipts = []
    for number in range(kills):
        for _ in range(left * (number + 1) // kills - left * number // kills):
            for writer in writers:
                writer.may_write.release()
        receipts.append(kill_one(sides, chance, number))
    claim(len(receipts) == kills, "%d kills lost no entry with a receipt; sizes %s" % (kills, receipts))


def check_nothing_is_lost(writers, side):
    items = side.items().values()
    titles = sorted(offer["terms"]["title"] for item in items for offer in item["offers"])
    said = sorted(title for writer in writers for title in writer.titles)
    claim(titles == said, "%s holds the %d actions that were offered, each once" % (side.code, len(said)))
    agreed = {offer["proposal"] for item in items for offer in item["offers"] if offer["state"] == "agreed"}
    accepted = {proposal for writer in writers for proposal in writer.accepted}
    claim(accepted and accepted == agreed, "and the %d that were accepted as agreed" % len(accepted))


def main():
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    entries = int(sys.argv[3]) if len(sys.argv) > 3 else 5000
    seed = int(os.environ.get("COUNTERPART_TEST_SEED") or time.time_ns() % 2**32)
    print("COUNTERPART_TEST_SEED=%d" % seed, flush=True)
    group = Group("ACME", "BOLT")
    with group as (acme, bolt):
        acme.start()
        open_relationship(acme, [bolt])
        bolt.start()
        acme.run("confirm", "BOLT", "--address", bolt.address)  # so that both dial
        wait_in_step(acme, bolt)
        acme.stop()
        bolt.stop()

        writers = [Writer(side, group.folder, seed, entries // (2 * CHUNK)) for side in (acme, bolt)]
        writers[0].other, writers[1].other = writers[1], writers[0]
        for writer in writers:
            for number in range(writer.backlog):
                writer.offer(number)
        for writer in writers:
            writer.us.start()
            writer.start()
        kill_many([acme, bolt], writers, kills, seed)
        for writer in writers:
            wait_for(writer.is_done, "%s has written all" % writer.us.code, seconds=WRITING_S)
        wait_in_step(acme, bolt)
        acme.stop()
        bolt.stop()
        for side in (acme, bolt):
            check_nothing_is_lost(writers, side)
        verify(acme, bolt)


if __name__ == "__main__":
    main()
