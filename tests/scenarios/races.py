"""Every race in the table of the rules of agreement: the same outcome and the same digest on both sides.

ACME's daemon runs only while BOLT syncs, so that the order in which each learns of the other is ours to choose.
"""

import subprocess

from counterpart import Group, claim, open_relationship, verify
from relay import Valve


class Table:
    """The two sides, and one fresh agreed action for each race."""

    def __init__(self, acme, bolt):
        self.acme, self.bolt = acme, bolt

    def exchange(self):
        """Both learn everything."""
        self.acme.start()
        for _ in range(5):
            self.bolt.sync()
            if self.bolt.status()["in_step"] and self.acme.status()["in_step"]:
                break
        self.acme.stop()
        claim(self.acme.status()["in_step"] and self.bolt.status()["in_step"], "in step")
        claim(self.acme.status()["digest"] == self.bolt.status()["digest"], "with one digest")

    def agreed_action(self, title):
        made = self.acme.run("propose", "action", "title=" + title, "owner=BOLT", "due=2026-12-01")
        self.exchange()
        self.bolt.run("accept", made["ref"], "--yes")
        self.exchange()
        self.stands(made["ref"], {made["proposal"]: "agreed"})
        return made["ref"]

    def stands(self, ref, expected, due=None):
        for side in (self.acme, self.bolt):
            for proposal, state in expected.items():
                found = side.offer(ref, proposal)
                claim(found == state, "%s: %s at %s (%s)" % (ref, state, side.code, found))
            if due:
                claim(side.item(ref)["terms"]["due"] == due, "%s: due %s at %s" % (ref, due, side.code))

    def propose(self, side, ref, due):
        return side.run("propose", "action", ref, "due=" + due)["proposal"]


def accepted_and_sealed(table, ref):
    """A proposes; B accepts; A's node gets it and seals; B gets the seal."""
    p = table.propose(table.acme, ref, "2026-12-02")
    table.exchange()
    accepted = table.bolt.run("accept", ref, "--yes")
    claim(accepted["offers"][-1]["state"] == "receipt_awaited", "B: accepted, receipt awaited")
    claim(table.acme.offer(ref, p) == "offered", "A knows nothing of it yet")
    table.exchange()
    table.stands(ref, {p: "agreed"}, "2026-12-02")


def two_offers_one_accepted(table, ref):
    """A proposes p, B proposes q on the same base; both exchange; A accepts q."""
    p = table.propose(table.acme, ref, "2026-12-03")
    q = table.propose(table.bolt, ref, "2026-12-04")
    table.exchange()
    table.stands(ref, {p: "offered", q: "offered"})
    table.acme.run("accept", ref, "--yes", "--expect", q[:10])
    table.exchange()
    table.stands(ref, {p: "overtaken", q: "agreed"}, "2026-12-04")


def withdrawn_while_accepted(table, ref):
    """A withdraws while B accepts."""
    p = table.propose(table.acme, ref, "2026-12-05")
    table.exchange()
    table.acme.run("withdraw", ref)
    table.bolt.run("accept", ref, "--yes")
    claim(table.bolt.offer(ref, p) == "receipt_awaited", "B never sees it agreed")
    table.exchange()
    table.stands(ref, {p: "withdrawn"}, "2026-12-01")
    for side in (table.acme, table.bolt):
        claim([h for h in side.history(ref) if h["verb"] == "accept" and h["about"] == p], "the acceptance stays")


def withdrawn_too_late(table, ref):
    """A's node has B's acceptance, then A withdraws."""
    p = table.propose(table.acme, ref, "2026-12-06")
    table.exchange()
    table.bolt.run("accept", ref, "--yes")
    table.exchange()
    claim(table.acme.refused("withdraw", p[:12])["exit"] == 1, "too late to withdraw")
    table.exchange()
    table.stands(ref, {p: "agreed"}, "2026-12-06")


def crossed(table, ref):
    """A accepts q while B accepts p."""
    p = table.propose(table.acme, ref, "2026-12-07")
    q = table.propose(table.bolt, ref, "2026-12-08")
    table.exchange()
    table.acme.run("accept", q[:12], "--yes")
    table.bolt.run("accept", p[:12], "--yes")
    table.exchange()
    table.stands(ref, {p: "crossed", q: "crossed"}, "2026-12-01")
    again = table.propose(table.bolt, ref, "2026-12-08")  # the owner's side offers again
    table.exchange()
    table.acme.run("accept", ref, "--yes")
    table.exchange()
    table.stands(ref, {again: "agreed"}, "2026-12-08")


def taken_back_too_late(table, ref):
    """B accepts; A's seal is on its way; B takes back."""
    acme, bolt = table.acme, table.bolt
    p = table.propose(acme, ref, "2026-12-09")
    table.exchange()
    bolt.run("accept", ref, "--yes")
    acme.start()
    usual = acme.address
    for answers in range(1, 40):  # until the one answer is lost that would tell BOLT
        valve = Valve(usual, answers)
        bolt.run("confirm", "ACME", "--address", valve.address)
        sync = subprocess.Popen(bolt.process(["sync"]), env=bolt.environment, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        while sync.poll() is None and not valve.shut.wait(0.02):
            pass  # an answer that is held back comes after what the request brought about
        sync.kill()
        sync.wait()
        valve.close()
        if acme.offer(ref, p) == "agreed":
            break
    bolt.run("confirm", "ACME", "--address", usual)
    acme.stop()
    claim(acme.offer(ref, p) == "agreed", "A has sealed")
    claim(bolt.offer(ref, p) == "receipt_awaited", "B has not heard of it")
    bolt.run("withdraw", ref)
    claim(bolt.offer(ref, p) == "taken_back", "B takes back")
    table.exchange()
    table.stands(ref, {p: "agreed"}, "2026-12-09")


def taken_back_in_time(table, ref):
    """B accepts, takes back before A has it."""
    p = table.propose(table.acme, ref, "2026-12-10")
    table.exchange()
    table.bolt.run("accept", ref, "--yes")
    table.bolt.run("withdraw", ref)
    table.exchange()
    table.stands(ref, {p: "taken_back"}, "2026-12-01")
    verbs = [h["verb"] for h in table.acme.history(ref) if h["about"] == p]
    claim(verbs == ["accept", "withdraw"], "A sees both")


def accepted_then_countered(table, ref):
    """B accepts p, then proposes q before A's node has the acceptance."""
    p = table.propose(table.acme, ref, "2026-12-11")
    table.exchange()
    table.bolt.run("accept", ref, "--yes")
    q = table.propose(table.bolt, ref, "2026-12-12")
    table.exchange()
    for side in (table.acme, table.bolt):
        claim(side.offer(ref, p) != "agreed", "p lapses at %s (%s)" % (side.code, side.offer(ref, p)))
    table.acme.run("accept", q[:12], "--yes")
    table.exchange()
    table.stands(ref, {p: "overtaken", q: "agreed"}, "2026-12-12")


def main():
    races = (accepted_and_sealed, two_offers_one_accepted, withdrawn_while_accepted, withdrawn_too_late, crossed,
             taken_back_too_late, taken_back_in_time, accepted_then_countered)
    with Group("ACME", "BOLT") as (acme, bolt):
        acme.start()
        open_relationship(acme, [bolt])
        acme.stop()
        table = Table(acme, bolt)
        table.exchange()
        for race in races:
            print(race.__doc__, flush=True)
            race(table, table.agreed_action(race.__name__))
        verify(acme, bolt)


if __name__ == "__main__":
    main()
