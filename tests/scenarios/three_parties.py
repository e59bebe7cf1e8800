"""Three homes, of which two never meet: one agreement by all, all in step, an introduced party shown as not checked."""

from counterpart import Group, claim, open_relationship, party_of, verify, wait_for, wait_in_step


def check_introduction(one, other, relationship):
    party = party_of(one, relationship, other.code)
    claim(party["introduced_by"] == "ACME" and party["words"] is None and party["address"] is None, "%s was introduced to %s" % (other.code, one.code))
    shown = one.text("relationships")
    claim("introduced by ACME, not checked" in shown, "and is shown as not checked")
    return party["identity_words"]


def main():
    with Group("ACME", "BOLT", "CORD") as (acme, bolt, cord):
        acme.start("tcp://127.0.0.1:0")
        relationship = open_relationship(acme, [bolt, cord], "Acme, Bolt and Cord")
        for side in (bolt, cord):
            side.start()
        wait_for(lambda: party_of(bolt, relationship, "CORD")["known"], "BOLT hears of CORD")
        wait_for(lambda: party_of(cord, relationship, "BOLT")["known"], "CORD hears of BOLT")
        words = {check_introduction(bolt, cord, relationship), check_introduction(cord, bolt, relationship)}
        claim(len(words) == 1 and len(words.pop().split()) == 12, "both compute the same twelve words")
        bolt.run("confirm", "CORD", "--how", "not-checked")
        claim("introduced by ACME, not checked" in bolt.text("relationships"), "confirmed unchecked is still not checked")
        cord.run("confirm", "BOLT", "--how", "voice")
        claim("introduced by ACME, not checked" not in cord.text("relationships"), "until it is checked")

        p = bolt.run("propose", "action", "title=Lay the cable", "owner=CORD")
        ref = p["ref"]
        for side in (acme, cord):
            wait_for(lambda: [i for i in side.run("inbox")["items"] if i["ref"] == ref], "the offer at " + side.code)
        acme.run("accept", ref, "--yes")
        wait_for(lambda: [h for h in bolt.history(ref) if h["verb"] == "accept"], "ACME's word at BOLT")
        for side in (acme, bolt, cord):
            claim(side.item(ref)["state"] == "offered", "two of three is not agreed at " + side.code)
        error = acme.refused("accept", ref, "--yes")
        claim(error["exit"] == 1, "nobody accepts twice")
        cord.run("accept", ref, "--yes")
        for side in (acme, bolt, cord):
            wait_for(lambda: side.item(ref)["state"] == "agreed", "agreed at " + side.code)
        wait_in_step(acme, bolt, cord)
        claim(len(bolt.status()["parties"]) == 2, "each has receipts of both others, though BOLT and CORD never met")
        verify(acme, bolt, cord)

        cord.stop()
        q = acme.run("propose", "action", ref, "due=2027-02-01")["proposal"]
        wait_for(lambda: bolt.offer(ref, q) == "offered", "the offer at BOLT")
        bolt.run("accept", ref, "--yes")
        claim(acme.run("status")["exit"] == 3, "not in step while one is away")
        cord.start()
        wait_for(lambda: cord.offer(ref, q) == "offered", "the offer at CORD")
        cord.run("decline", ref, "--reason", "Too late for us.")
        for side in (acme, bolt, cord):
            wait_for(lambda: side.offer(ref, q) == "declined", "declined at " + side.code)
        wait_in_step(acme, bolt, cord)
        for side in (acme, bolt, cord):
            side.stop()


if __name__ == "__main__":
    main()
