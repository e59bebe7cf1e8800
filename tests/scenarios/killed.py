"""kill -9 of either daemon at any moment of a large sync: nothing acknowledged is lost, and both end in step.

killed.py PROGRAM [ENTRIES [KILLS]]; the seed is printed and taken back from COUNTERPART_TEST_SEED.
"""

import os
import random
import signal
import sys
import time

from counterpart import Group, claim, open_relationship, verify, wait_for, wait_in_step

ENTRIES = int(sys.argv[2]) if len(sys.argv) > 2 else 5000
KILLS = int(sys.argv[3]) if len(sys.argv) > 3 else 50
PARTS = 10  # the log is brought in by parts, so that there is always something under way


def write_part(folder, number, rows):
    path = os.path.join(folder, "part%d.csv" % number)
    with open(path, "w", encoding="utf-8") as file:
        file.write("Title,Owner,Done when\n")
        for row in range(rows):
            file.write("Action %d of part %d,BOLT,%s\n" % (row, number, "when it is done " * 8))
    return path


def acknowledged(side):
    """What others have signed for, and what we have signed for: it must never shrink."""
    status = side.status()
    return status["ours"], status["parties"][0]["holds_ours"], status["parties"][0]["we_hold"]


def main():
    seed = int(os.environ.get("COUNTERPART_TEST_SEED", random.randrange(1 << 32)))
    print("COUNTERPART_TEST_SEED=%d" % seed)
    chance = random.Random(seed)
    group = Group("ACME", "BOLT")
    with group as (acme, bolt):
        acme.start()
        open_relationship(acme, [bolt])
        bolt.start()
        known = {side.code: acknowledged(side) for side in (acme, bolt)}
        for kill in range(KILLS):
            if kill % (KILLS // PARTS or 1) == 0 and kill // (KILLS // PARTS or 1) < PARTS:
                acme.run("import", "action", write_part(group.folder, kill, ENTRIES // PARTS))
            time.sleep(chance.uniform(0, 0.25))
            victim = chance.choice((acme, bolt))
            victim.stop(signal.SIGKILL)
            for side in (acme, bolt):
                now = acknowledged(side)
                if any(after < before for before, after in zip(known[side.code], now)):
                    raise AssertionError("%s had %s and has %s after kill %d" % (side.code, known[side.code], now, kill))
                known[side.code] = now
            victim.start()
        wait_in_step(acme, bolt)
        claim(len(bolt.items()) == ENTRIES // PARTS * PARTS, "after %d kills all %d are there" % (KILLS, ENTRIES))
        ref = sorted(bolt.items())[0]
        bolt.run("accept", ref, "--yes")
        for side in (acme, bolt):
            wait_for(lambda: side.item(ref)["state"] == "agreed", "agreed at " + side.code)
        wait_in_step(acme, bolt)
        verify(acme, bolt)
        acme.stop()
        bolt.stop()


if __name__ == "__main__":
    main()
