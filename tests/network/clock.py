"""The machine's clock set back and forward while everything goes on: what a person is told suffices to go on.

    python3 clock.py PROGRAM [STEPS]

No rule reads a clock; only receipts say when, and never go back in time. A clock a little behind signs with the last
time. One further behind signs nothing, and says so: once the clock is right, or `doctor --new-receipt-key` was run as
the message says, both sides come into step. libfaketime moves the wall clock of ACME alone; monotonic time stays true.
STEPS is how many steps back are tried, of 4 minutes, an hour, a day, a year.
"""

import os
import re
import shlex

from common import Group, claim, count, is_alive, log_of, open_relationship, program, run_raw, skip, verify, wait_for, \
    wait_in_step

LIBRARIES = ("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
             "/usr/lib/faketime/libfaketime.so.1", "/usr/lib64/faketime/libfaketime.so.1")
BACK = (("4 minutes", 240, True), ("an hour", 3600, False), ("a day", 86400, False), ("a year", 31536000, False))
AHEAD_S = 30 * 86400


def library():
    for path in LIBRARIES:
        if os.path.exists(path):
            return path
    return skip("there is no libfaketime on this machine (Debian package faketime)")


def set_clock(organisation, path, offset_s):
    """The commands and the daemon of one organisation, from its next start on, have a clock that is off."""
    for name in ("LD_PRELOAD", "FAKETIME", "DONT_FAKE_MONOTONIC", "FAKETIME_DONT_FAKE_MONOTONIC"):
        organisation.environment.pop(name, None)
    if offset_s:
        organisation.environment.update(LD_PRELOAD=path, FAKETIME="%+d" % offset_s, DONT_FAKE_MONOTONIC="1",
                                        FAKETIME_DONT_FAKE_MONOTONIC="1")


def check_library(path):
    moved = run_raw([program(), "--version"], env=dict(os.environ, LD_PRELOAD=path, FAKETIME="-3600"))
    if moved.returncode != 0 or "anitizer" in moved.stderr:
        skip("this build does not run with libfaketime: " + moved.stderr.strip()[:200])
    return path


class Pair:
    def __init__(self, acme, bolt, path):
        self.acme, self.bolt, self.path, self.number = acme, bolt, path, 0

    def restart(self, offset_s):
        self.acme.stop()
        set_clock(self.acme, self.path, offset_s)
        self.acme.start()

    def offer(self, side):
        self.number += 1
        return side.run("propose", "action", "title=Number %d" % self.number)["ref"]

    def arrives(self, side, ref):
        wait_for(lambda: ref in side.items(), "%s has it" % side.code)

    def receipt_s(self):
        """The time of the newest receipt that BOLT holds of ACME, as it says itself."""
        return self.bolt.status()["parties"][0]["received_at"]


def command_in(said):
    """The command that a message names between backquotes."""
    return shlex.split(re.findall(r"`counterpart ([^`]*)`", said)[-1])


def check_back(pair, name, behind_s, is_signed):
    acme, bolt = pair.acme, pair.bolt
    pair.restart(0)
    pair.arrives(acme, pair.offer(bolt))
    wait_in_step(acme, bolt)
    before = pair.receipt_s()
    mark = len(log_of(acme))
    pair.restart(-behind_s)
    ref = pair.offer(bolt)
    pair.arrives(acme, ref)
    pair.arrives(bolt, pair.offer(acme))
    if is_signed:
        wait_in_step(acme, bolt)
        claim(pair.receipt_s() >= before, "%s back: receipts go on, and their times do not go back" % name)
        return
    said = wait_for(lambda: re.findall(r"gets no receipt: .*", log_of(acme)[mark:]), "the daemon says that it signs none")[-1]
    claim("clock is" in said and "set the clock right" in said and "doctor" in said, "%s back: %s" % (name, said))
    claim(is_alive(acme) and bolt.run("status")["exit"] == 3, "and BOLT is not told that it was received")
    doctor = acme.run("doctor", codes=(1,))
    claim(not doctor["healthy"] and any("clock" in check["check"] and not check["fine"] and check["said"]
                                        for check in doctor["checks"]), "doctor says so")
    pair.restart(0)
    wait_in_step(acme, bolt)
    claim(True, "the clock set right, the receipt is there")


def check_ahead(pair):
    """Receipts were signed with a clock far ahead: setting it right is not enough, and what the message says is."""
    acme, bolt = pair.acme, pair.bolt
    pair.restart(AHEAD_S)
    pair.arrives(acme, pair.offer(bolt))
    wait_in_step(acme, bolt)
    claim(True, "a clock a month ahead signs")
    mark = len(log_of(acme))
    pair.restart(0)
    pair.arrives(acme, pair.offer(bolt))
    said = wait_for(lambda: re.findall(r"gets no receipt: .*", log_of(acme)[mark:]), "the daemon says that it signs none")[-1]
    words = command_in(said)
    claim(words[0] == "doctor", "set right, the message names a command: " + " ".join(words))
    wait_for(lambda: bolt.run("status")["exit"] == 3, "not in step meanwhile")
    doctor = acme.run("doctor", codes=(1,))
    claim(any("clock" in check["check"] and "--new-receipt-key" in check["said"] for check in doctor["checks"]),
          "doctor names the way on too")
    done = run_raw(acme.process(words), env=acme.environment)
    claim(done.returncode == 0 and "start it anew" in done.stderr, "it is done, and says what is left to do: " + done.stderr)
    pair.restart(0)
    wait_in_step(acme, bolt)
    claim(True, "and both are in step")
    claim(acme.run("doctor", codes=(0,))["healthy"], "and doctor finds nothing")


def main():
    path = check_library(library())
    with Group("ACME", "BOLT") as (acme, bolt):
        acme.start()
        open_relationship(acme, [bolt])
        bolt.start()
        pair = Pair(acme, bolt, path)
        for name, behind_s, is_signed in BACK[:count(1, 2)]:
            check_back(pair, name, behind_s, is_signed)
        check_ahead(pair)
        set_clock(bolt, path, -31536000)
        bolt.run("propose", "action", "title=Said a year ago")
        wait_in_step(acme, bolt)
        set_clock(bolt, path, 0)
        acme.stop()
        bolt.stop()
        verify(acme, bolt)


if __name__ == "__main__":
    main()
