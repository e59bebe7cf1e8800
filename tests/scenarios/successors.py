"""A party whose feed cannot go on goes on in a new one: after a fork, and after a restore that not everybody answers."""

import os
import shutil

from counterpart import Group, Organisation, are_in_step, claim, open_relationship, verify, wait_for, wait_in_step


def agree(offerer, other, title):
    """An action both agree on, over the link that is there; gives its reference."""
    made = offerer.run("propose", "action", "title=" + title)
    exchange(offerer, other)
    other.run("accept", made["ref"], "--yes")
    exchange(offerer, other)
    wait_for(lambda: all(side.item(made["ref"])["state"] == "agreed" for side in (offerer, other)), title + " is agreed")
    return made["ref"]


def exchange(*sides):
    """BOLT listens; whoever else dials."""
    for side in sides:
        if side.daemon is None:
            side.run("sync", codes=(0, 1, 3))


def new_feeds(*sides):
    """What each side knows of feeds that wait for countersignatures."""
    return [side.status()["successors"] for side in sides]


def countersign(begun, other):
    """`other` has the new feed of `begun`, sees the same words, and confirms."""
    ours = wait_for(lambda: [s for s in begun.status()["successors"] if s["is_us"]], "our own new feed")[0]
    theirs = wait_for(lambda: [s for s in other.status()["successors"] if s["party"] == begun.code],
                      "%s hears of %s's new feed" % (other.code, begun.code))[0]
    claim(ours["words"] == theirs["words"] and len(ours["words"].split()) == 6, "both see the same check words")
    claim(other.code in ours["awaits"], "%s waits for %s" % (begun.code, other.code))
    claim("NEW FEED" in begun.text("status") and "NEW FEED" in other.text("status"), "and say so to people")
    claim(begun.refused("propose", "action", "title=x")["code"] == "refused", "until then nothing can be said in it")
    other.run("confirm", begun.code, "--how", "voice")


def forked():
    group = Group("ACME", "BOLT")
    with group as (acme, bolt):
        bolt.start()
        acme.start()
        open_relationship(acme, [bolt])
        acme.stop()
        acme.run("confirm", "BOLT", "--address", bolt.address)
        kept = agree(acme, bolt, "Before the fork")
        bolt.stop()
        home = os.path.join(group.folder, "copy")
        shutil.copytree(acme.home, home)
        copy = Organisation(group.folder, "ACME", home=home)
        copy.options = ["--force-copied-home"]
        bolt.start()
        lost = acme.run("propose", "action", "title=Said by one")
        acme.sync()
        bolt.run("accept", lost["ref"], "--yes")
        copy.run("propose", "action", "title=Said by the other")
        copy.run("sync", codes=(0, 1, 3))
        wait_for(lambda: bolt.status()["trouble"], "BOLT finds the fork")
        acme.run("sync", codes=(0, 1, 3))

        error = acme.refused("propose", "action", "title=x")
        claim("--new-feed" in error["next"], "a forked feed says how to go on: " + error["next"])
        error = bolt.refused("propose", "action", "title=x")
        claim("--new-feed" in error["next"], "and so does one that rests on the fork: " + error["message"])
        backup = os.path.join(group.folder, "backup")
        shutil.copytree(acme.home, backup)
        for side in (acme, bolt):
            claim(side.run("doctor", "--new-feed", "--yes")["begun"] == 1, "%s begins a new feed" % side.code)
            claim(side.run("doctor", "--new-feed", "--yes", codes=(0, 1))["exit"] in (0, 1), "once")
        exchange(acme)
        countersign(acme, bolt)
        exchange(acme)
        countersign(bolt, acme)
        exchange(acme)
        wait_for(lambda: new_feeds(acme, bolt) == [[], []], "nothing waits for a countersignature")

        claim(acme.item(kept)["state"] == bolt.item(kept)["state"] == "agreed", "what was agreed before the fork stands")
        again = agree(acme, bolt, "After the fork")
        claim(again != kept, "numbers go on: " + again)
        bolts = agree(bolt, acme, "From the other side")
        claim(bolts.startswith("BOLT-"), "both can say what they like again")
        changed = acme.run("propose", "action", kept, "title=Before the fork, changed after it")
        exchange(acme)
        bolt.run("accept", changed["ref"], "--yes")
        exchange(acme)
        exchange(acme)
        for side in (acme, bolt):
            claim("changed after it" in side.text("list", "action"), "an action of the old feed is changed in the new one")
        wait_in_step(acme, bolt)

        shutil.rmtree(acme.home)
        shutil.copytree(backup, acme.home)
        restored_without_key(acme, bolt, [kept, again])
        bolt.stop()
        verify(acme, bolt)


def restored_without_key(acme, bolt, before):
    """ACME's home is put back from before it began the feed it has gone on in: the key of that feed is lost with the disk."""
    acme.run("doctor", "--adopt", "--yes")
    exchange(acme)
    exchange(acme)
    claim(all(acme.item(ref)["state"] == "agreed" for ref in before), "what was said in the lost feed comes back")
    error = acme.refused("propose", "action", "title=x")
    claim("--new-feed" in error["next"], "a feed whose key is lost says how to go on: %s" % error)
    claim("--new-feed" in acme.text("doctor", codes=(0, 1)), "and so does doctor")
    claim(acme.run("doctor", "--new-feed", "--yes")["begun"] == 1, "a third feed is begun")
    exchange(acme)
    countersign(acme, bolt)
    exchange(acme)
    claim(agree(acme, bolt, "In the third feed") not in before, "numbers go on once more")
    wait_in_step(acme, bolt)


def unanswered():
    """ACME, one of three, is restored while CORD is away, and goes on without its answer."""
    group = Group("ACME", "BOLT", "CORD")
    with group as (acme, bolt, cord):
        for side in (acme, bolt, cord):
            side.start()
        open_relationship(acme, [bolt, cord])
        for side in (bolt, cord):
            acme.run("confirm", side.code, "--address", side.address)
        acme.stop()
        bolt.run("confirm", "CORD", "--address", cord.address, "--how", "voice")
        cord.run("confirm", "BOLT", "--how", "voice")
        kept = acme.run("propose", "action", "title=Before the backup")["ref"]
        acme.sync()
        for side in (bolt, cord):
            wait_for(lambda: kept in side.items(), kept)
            side.run("accept", kept, "--yes")
        acme.sync()
        acme.sync()
        claim(acme.item(kept)["state"] == "agreed", "all three agree")

        backup = os.path.join(group.folder, "backup")
        shutil.copytree(acme.home, backup)
        bolt.stop()
        lost = acme.run("propose", "action", "title=Only CORD has this")["ref"]
        acme.run("sync", codes=(0, 1, 3))
        wait_for(lambda: lost in cord.items(), lost)
        cord.stop()
        shutil.rmtree(acme.home)
        shutil.copytree(backup, acme.home)
        acme.run("doctor", "--adopt", "--yes")
        bolt.start()
        acme.run("sync", codes=(0, 1, 3))
        claim(acme.refused("propose", "action", "title=x")["exit"] == 1, "one answer of two is not enough to go on")
        claim(acme.run("doctor", "--new-feed", "--yes")["begun"] == 1, "a person goes on without CORD's")
        claim(acme.run("whoami")["health"] == "fine", "then the home waits for nobody")
        acme.run("sync", codes=(0, 1, 3))
        countersign(acme, bolt)
        claim(acme.refused("propose", "action", "title=x")["code"] == "refused", "CORD's word is needed too")
        cord.start()
        wait_for(lambda: [s for s in cord.status()["successors"] if s["party"] == "ACME"] or
                 acme.run("sync", codes=(0, 1, 3)) is None, "CORD hears of the new feed")
        countersign(acme, cord)
        acme.run("sync", codes=(0, 1, 3))
        wait_for(lambda: acme.run("sync", codes=(0, 1, 3)) and not acme.status()["successors"], "all have countersigned")

        claim(lost in acme.items(), "what only CORD had has come back, and counts")
        title = "Said in the new feed"
        made = acme.run("propose", "action", "title=" + title)["ref"]
        claim(made not in (kept, lost), "numbers go on: " + made)
        for ref in (lost, made):
            for side in (bolt, cord):
                wait_for(lambda: ref in side.items() or acme.run("sync", codes=(0, 1, 3)) is None, ref)
                side.run("accept", ref, "--yes")
            wait_for(lambda: acme.run("sync", codes=(0, 1, 3)) and acme.item(ref)["state"] == "agreed", ref + " is agreed")
        wait_for(lambda: acme.run("sync", codes=(0, 1, 3)) and are_in_step(acme, bolt, cord), "all in step")
        bolt.stop()
        cord.stop()
        verify(acme, bolt, cord)


if __name__ == "__main__":
    forked()
    unanswered()
