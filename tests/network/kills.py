"""A campaign of `kill -9`: daemons and commands at any moment, hundreds of times; it can be broken off and gone on with.

    python3 kills.py PROGRAM [KILLS [FOLDER]]

Each time one of these is killed at a random moment of its usual life: either daemon, `import`, `propose`, `accept`,
`sync`, `join` (or the daemon it talks to) and `init`. With FOLDER the homes and the journal stay there, and a further run
goes on until KILLS are reached. What a command that ended well has said is there for good, once; what a killed one was
about to say is there as a whole or not at all; receipts are kept; in the end all are in step and verify. A killed `join`
or `init` is done again as it says itself.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

from common import PATIENCE_S, Failed, Group, Organisation, chance, claim, count, open_relationship, party_of, table, verify, \
    wait_for, wait_in_step

CHECK_EVERY = 25
ROWS = 20


class Journal:
    """One line for each thing that was tried, before, and for how it ended, after; read again by a later run."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "journal")
        self.lines = []
        if os.path.exists(self.path):
            with open(self.path, encoding="utf-8") as file:
                self.lines = [json.loads(line) for line in file if line.endswith("\n")]
        self.file = open(self.path, "a", encoding="utf-8")

    def write(self, **line):
        self.lines.append(line)
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()

    def of(self, kind):
        return [line[kind] for line in self.lines if kind in line]

    def kills(self):
        return len(self.of("kill"))


class Campaign:
    def __init__(self, group, journal, random):
        self.acme, self.bolt, self.cord, self.delta = group.members
        self.folder, self.journal, self.random = group.folder, journal, random
        self.usual_s = {}  # how long each command takes when it is left alone
        self.survived = 0

    # ---- killing

    def moment_s(self, name):
        return self.random.random() * 1.6 * self.usual_s.get(name, 0.1)

    def run_and_kill(self, side, name, *words, stdin=None):
        """Gives the answer when it ended well before, None when it was killed; raises when it failed."""
        process = subprocess.Popen(side.process(words) + ["--json"], env=side.environment, text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        began = time.monotonic()
        try:
            said, wrong = process.communicate(input=stdin or "", timeout=self.moment_s(name) if name in self.usual_s
                                              else PATIENCE_S)
            self.usual_s[name] = max(self.usual_s.get(name, 0), time.monotonic() - began)
            self.survived += 1
        except subprocess.TimeoutExpired:
            process.kill()
            said, wrong = process.communicate()
        if process.returncode == -signal.SIGKILL:
            self.journal.write(kill=name)
            return None
        if process.returncode not in (0, 3, 4):
            raise Failed(words, process.returncode, said, wrong)
        return json.loads(said) if said.strip() else {}

    def daemon(self):
        """As in killed.py: it comes back with all that the other has a receipt for."""
        victim, other = self.random.sample((self.acme, self.bolt), 2)
        time.sleep(0.3 * self.random.random() ** 2)
        victim.stop(signal.SIGKILL)
        receipt = [party for party in other.status()["parties"] if party["code"] == victim.code][0]["holds_ours"]
        held = [party for party in victim.status()["parties"] if party["code"] == other.code][0]["we_hold"]
        if held < receipt:
            raise AssertionError("%s signed for %d entries of %s and holds %d" % (victim.code, receipt, other.code, held))
        victim.start()
        self.journal.write(kill="daemon")

    # ---- saying

    def side(self):
        return self.random.choice((self.acme, self.bolt))

    def say(self, side, name, titles, *words):
        self.journal.write(tried=titles)
        answer = self.run_and_kill(side, name, *words)
        if answer is not None:
            self.journal.write(said=titles, proposals=answer.get("proposals") or [answer["proposal"]], by=side.code)

    def offer_table(self):
        side, number = self.side(), len(self.journal.lines)
        titles = ["%s %d.%d" % (side.code, number, row) for row in range(ROWS)]
        self.say(side, "import", titles, "import", "action", table(self.folder, side.code, titles))

    def offer_one(self):
        side = self.side()
        title = "%s %d" % (side.code, len(self.journal.lines))
        self.say(side, "propose", [title], "propose", "action", "title=" + title)

    def accept(self):
        side = self.side()
        offered = [one for line in self.journal.lines if line.get("by") not in (None, side.code) for one in line["proposals"]]
        if not offered:
            return
        proposal = self.random.choice(offered)
        try:
            if self.run_and_kill(side, "accept", "accept", proposal, "--yes") is not None:
                self.journal.write(accepted=proposal)
        except Failed as failed:  # not here yet, or accepted before
            if failed.code != 1 or not failed.error.get("next"):
                raise

    def sync(self):
        try:
            self.run_and_kill(self.bolt, "sync", "sync")
        except Failed as failed:
            if failed.code != 1 or not failed.error.get("next"):
                raise

    # ---- beginning

    def join(self):
        """DELTA invites; CORD's join, or DELTA's daemon under it, is killed; the same invitation then brings them together."""
        relationship = self.delta.run("open", "Number %d" % len(self.journal.lines), "--party", "CORD")["relationship"]
        block = self.delta.text("invite", "-r", relationship, "--party", "CORD", "--address", self.delta.address)
        if self.random.random() < 0.3:
            process = subprocess.Popen(self.cord.process(["join", "-"]), env=self.cord.environment, text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            process.stdin.write(block)
            process.stdin.close()
            time.sleep(self.moment_s("join"))
            self.delta.stop(signal.SIGKILL)
            self.journal.write(kill="daemon of a join")
            process.wait(timeout=4 * PATIENCE_S)
            self.delta.start()
        else:
            self.run_and_kill(self.cord, "join", "join", "-", stdin=block)
        done = wait_for(lambda: self.joined(block), "the same invitation goes on where it was")
        if done["relationship"] != relationship:
            raise AssertionError("joined %s, not %s" % (done["relationship"], relationship))
        theirs = party_of(self.delta, relationship, "CORD")["words"]
        ours = party_of(self.cord, relationship, "DELTA")["words"]
        if not theirs or theirs != ours:
            raise AssertionError("the check words differ: %s, %s" % (theirs, ours))

    def joined(self, block):
        try:
            return self.cord.run("join", "-", stdin=block)
        except Failed as failed:
            if failed.error.get("code") in ("closed", "time"):  # DELTA has only just come back
                return None
            raise

    def init(self):
        home = os.path.join(self.folder, "new-%d" % len(self.journal.lines))
        one = Organisation(self.folder, "ECHO", home=home)
        words = ("init", "--name", "Echo Ltd", "--domain", "echo.example", "--code", "ECHO", "--no-passphrase")
        self.run_and_kill(one, "init", *words)
        try:
            one.run(*words)
        except Failed as failed:
            said = failed.error["message"] + " / " + failed.error["next"]
            if "there is a home of ECHO already" in said:
                pass
            elif "remove the folder first" in said:
                shutil.rmtree(home)
                one.run(*words)
            else:
                raise
        if not one.run("doctor", codes=(0,))["healthy"]:
            raise AssertionError("a home made after a killed init is not healthy")
        shutil.rmtree(home)

    # ---- looking

    def check(self):
        wait_in_step(self.acme, self.bolt)
        tried, said = self.journal.of("tried"), {title for titles in self.journal.of("said") for title in titles}
        items = list(self.bolt.items().values())
        there = [offer["terms"]["title"] for item in items for offer in item["offers"]]
        counted = set(there)
        if len(counted) != len(there):
            raise AssertionError("something was said twice")
        if not said <= counted or not counted <= {title for titles in tried for title in titles}:
            raise AssertionError("lost: %s; from nowhere: %s" % (sorted(said - counted)[:5], sorted(counted)[:5]))
        torn = [titles for titles in tried if 0 < len(counted.intersection(titles)) < len(titles)]
        if torn:
            raise AssertionError("torn: %s" % torn[0][:3])
        agreed = {offer["proposal"] for item in items for offer in item["offers"] if offer["state"] == "agreed"}
        if not set(self.journal.of("accepted")) <= agreed:
            raise AssertionError("an acceptance that was acknowledged is lost")
        claim(True, "%d kills: all %d acknowledged of %d that are there, each once and whole; %d agreed"
              % (self.journal.kills(), len(said), len(there), len(agreed)))

    def go_on(self, kills):
        acts = ((self.daemon, 4), (self.offer_table, 4), (self.offer_one, 4), (self.accept, 3), (self.sync, 3),
                (self.join, 2), (self.init, 2))
        due = [act for act, weight in acts for _ in range(weight)]
        for learn in (self.offer_table, self.offer_one, self.sync, self.accept, self.join, self.init):
            learn()  # left alone, to know how long it takes
        checked = self.journal.kills()
        while self.journal.kills() < kills:
            self.random.choice(due)()
            if self.journal.kills() >= checked + CHECK_EVERY:
                checked = self.journal.kills()
                self.check()
        self.check()


def main():
    kills, random = count(1, 20), chance()
    group = Group("ACME", "BOLT", "CORD", "DELTA", folder=sys.argv[3] if len(sys.argv) > 3 else None)
    journal = Journal(group.folder)
    with group as (acme, bolt, _, delta):
        ports = journal.of("ports")
        if ports:
            acme.address, bolt.address, delta.address = ports[0]
        for side in (acme, bolt, delta):
            side.start()
        if not ports:
            open_relationship(acme, [bolt])
            acme.run("confirm", "BOLT", "--address", bolt.address)  # so that both dial
            journal.write(ports=[acme.address, bolt.address, delta.address])
        campaign = Campaign(group, journal, random)
        campaign.go_on(kills)
        kinds = journal.of("kill")
        claim(True, "killed: %s; %d ended before" % ({kind: kinds.count(kind) for kind in sorted(set(kinds))},
                                                     campaign.survived))
        for side in (acme, bolt, delta):
            side.stop()
        for member in group.members:
            member.run("verify", codes=(0,))
        verify(acme, bolt)


if __name__ == "__main__":
    main()
