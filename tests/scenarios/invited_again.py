"""The wrong one joins first. Inviting again gives its place to the right one: two parties, then three, then one twice."""

import os

from counterpart import Group, Organisation, claim, open_relationship, party_of, verify, wait_for, wait_in_step


def impostor(group_folder, code):
    """Another organisation that goes by the same code: whoever got hold of the invitation."""
    wrong = Organisation(group_folder, code, home=os.path.join(group_folder, "wrong-" + code.lower()))
    wrong.init()
    return wrong


def invite(opener, code, relationship):
    return opener.text("invite", "-r", relationship, "--party", code, "--address", opener.address)


def join(opener, joiner, relationship, block):
    """The joiner is the opener's guest afterwards, and nothing is confirmed."""
    joined = joiner.run("join", "-", stdin=block)
    words = wait_for(lambda: party_of(opener, relationship, joiner.code)["words"], "the opener's check words")
    claim(words == joined["words"] and len(words.split()) == 6, "both see the same six check words")
    claim(party_of(opener, relationship, joiner.code)["guest"], "%s is a guest" % joiner.code)


def refused_join(joiner, block, why):
    error = joiner.refused("join", "-", stdin=block)
    claim(why in error["message"], "the joiner reads why: " + error["message"])
    return error


def confirm_both(opener, joiner, relationship):
    opener.run("confirm", joiner.code, "-r", relationship, "--how", "voice")
    joiner.run("confirm", opener.code, "-r", relationship, "--how", "voice")


def check_voided(wrong, relationship, block):
    """It is told in its own time, whatever it does, and what to do."""
    wait_for(lambda: wrong.status()["voided"], "the wrong one hears that its invitation was voided")
    shown = wrong.text("status")
    claim("ACME has voided our invitation" in shown and "counterpart join FILE" in shown, "its status says so")
    error = refused_join(wrong, block, "voided")
    claim("ask ACME for a new one" in error["next"], "and what to do")


def two_parties():
    with Group("ACME", "BOLT") as (acme, bolt):
        wrong = impostor(acme.folder, "BOLT")
        acme.start()
        relationship = acme.run("open", "Acme and Bolt", "--party", "BOLT")["relationship"]
        first = invite(acme, "BOLT", relationship)
        join(acme, wrong, relationship, first)
        wrong.run("confirm", "ACME", "--how", "not-checked")
        wrong.start()
        try:
            said = acme.status()["ours"]
            claim(said == 1, "ACME's record says nothing of its guest")
            refused_join(bolt, first, "another identity has used our invitation")
            secret = acme.run("propose", "action", "title=Not for the wrong one", "owner=ACME")["ref"]

            second = invite(acme, "BOLT", relationship)
            check_voided(wrong, relationship, first)
            claim(not party_of(acme, relationship, "BOLT")["known"], "the place is free")
            acme.refused("confirm", "BOLT", "--how", "voice")
            with open(os.path.join(acme.folder, "acme.log")) as log:
                claim("refused from=" in log.read(), "ACME's daemon has said whom it refused")

            join(acme, bolt, relationship, second)
            claim(len(bolt.run("relationships")["relationships"]) == 1, "BOLT goes on with what it had begun")
            refused_join(wrong, second, "another identity has used our invitation")
            confirm_both(acme, bolt, relationship)
            bolt.sync()
            bolt.run("accept", secret, "--yes")
            wait_for(lambda: bolt.sync() and bolt.item(secret)["state"] == "agreed", "agreed with the right one")
            bolt.sync()
            wait_in_step(acme, bolt)
            error = acme.refused("invite", "--party", "BOLT", "--address", acme.address)
            claim("confirmed" in error["message"], "whoever is confirmed keeps its place: " + error["message"])
            claim(wrong.items() == {}, "the wrong one has nothing of it")
            claim(not wrong.status()["in_step"], "and is not in step")
            verify(acme, bolt, wrong)
        finally:
            wrong.stop()
        acme.stop()


def three_parties():
    with Group("ACME", "BOLT", "CORD") as (acme, bolt, cord):
        wrong = impostor(acme.folder, "BOLT")
        acme.start()
        relationship = acme.run("open", "Acme, Bolt and Cord", "--party", "BOLT", "--party", "CORD")["relationship"]
        join(acme, cord, relationship, invite(acme, "CORD", relationship))
        confirm_both(acme, cord, relationship)
        cord.start()
        first = invite(acme, "BOLT", relationship)
        join(acme, wrong, relationship, first)
        ref = cord.run("propose", "action", "title=Lay the cable", "owner=CORD")["ref"]
        wait_for(lambda: ref in acme.items(), "CORD's offer at ACME")
        claim(not party_of(cord, relationship, "BOLT")["known"], "a guest is introduced to nobody")

        second = invite(acme, "BOLT", relationship)
        wrong.run("sync", codes=(0, 1, 3, 4))
        check_voided(wrong, relationship, first)
        join(acme, bolt, relationship, second)
        confirm_both(acme, bolt, relationship)
        bolt.start()
        fingerprint = party_of(acme, relationship, "BOLT")["fingerprint"]
        wait_for(lambda: party_of(cord, relationship, "BOLT")["fingerprint"] == fingerprint, "CORD hears of the right one")
        cord.run("confirm", "BOLT", "--how", "not-checked")
        wait_for(lambda: party_of(bolt, relationship, "CORD")["known"], "BOLT hears of CORD")
        bolt.run("confirm", "CORD", "--how", "not-checked")
        for side in (acme, bolt):
            wait_for(lambda: ref in side.items(), "the offer at " + side.code)
            side.run("accept", ref, "--yes")
        for side in (acme, bolt, cord):
            wait_for(lambda: side.item(ref)["state"] == "agreed", "agreed at " + side.code)
        wait_in_step(acme, bolt, cord)
        claim(wrong.items() == {}, "the wrong one has nothing of it")
        verify(acme, bolt, cord)
        for side in (acme, bolt, cord):
            side.stop()


def the_same_one_twice():
    with Group("ACME", "BOLT") as (acme, bolt):
        acme.start()
        relationship = acme.run("open", "Acme and Bolt", "--party", "BOLT")["relationship"]
        first = invite(acme, "BOLT", relationship)
        join(acme, bolt, relationship, first)
        bolt.run("confirm", "ACME", "--how", "voice")
        bolt.run("propose", "action", "title=Said meanwhile", "owner=BOLT")
        bolt.start()
        second = invite(acme, "BOLT", relationship)
        check_voided(bolt, relationship, first)

        join(acme, bolt, relationship, second)
        claim(not bolt.status()["voided"], "it is a guest again")
        acme.run("confirm", "BOLT", "--how", "voice")
        wait_for(lambda: acme.items(), "what it said meanwhile arrives")
        wait_in_step(acme, bolt)
        verify(acme, bolt)
        for side in (acme, bolt):
            side.stop()


def known_already():
    """Whoever is a partner already is invited to one relationship more, and the opener is away when it takes that up."""
    with Group("ACME", "BOLT") as (acme, bolt):
        acme.start()
        open_relationship(acme, [bolt], "The first")
        again = acme.run("open", "The second", "--party", "BOLT")["relationship"]
        block = acme.text("invite", "-r", again, "--party", "BOLT", "--address", acme.address)
        acme.stop()
        claim(bolt.run("join", "-", stdin=block, codes=(1,))["exit"] == 1, "nobody answers the join")
        acme.start()
        bolt.run("sync", codes=(0, 3))
        words = party_of(acme, again, "BOLT")["words"]
        claim(words and words == party_of(bolt, again, "ACME")["words"], "the next sync takes it up, with its own check words")


if __name__ == "__main__":
    two_parties()
    three_parties()
    the_same_one_twice()
    known_already()
