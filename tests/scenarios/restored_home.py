"""A copied or restored home is refused with the way on; adopted it comes back whole; forced it ends in a proven fork."""

import os
import shutil

from counterpart import Group, Organisation, claim, open_relationship, verify, wait_for, wait_in_step


def copy_of(folder, organisation, name):
    """The same organisation in a copied home."""
    home = os.path.join(folder, name)
    shutil.copytree(organisation.home, home)
    return Organisation(folder, organisation.code, home=home)


def check_refused(organisation, word, *verb):
    error = organisation.refused(*verb)
    claim(error["exit"] == 1 and error["code"] == "refused" and error["next"], "%s refuses to %s: %s"
          % (word, verb[0], error["message"]))


def restored(folder, acme, bolt):
    """Yesterday's backup is put back over today's home."""
    backup = os.path.join(folder, "backup")
    shutil.copytree(acme.home, backup)
    before = acme.run("propose", "action", "title=Said after the backup")
    bolt.start()
    acme.sync()
    bolt.stop()
    for name in os.listdir(acme.home):
        path = os.path.join(acme.home, name)
        shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
    shutil.copytree(backup, acme.home, dirs_exist_ok=True)
    claim(acme.run("whoami")["health"] == "restored", "the restored home knows what it is")
    check_refused(acme, "a restored home", "propose", "action", "title=x")
    check_refused(acme, "a restored home", "sync")
    claim(acme.run("doctor", codes=(1,))["healthy"] is False, "doctor says so")
    acme.run("doctor", "--adopt", "--yes")
    check_refused(acme, "an adopted home that has not talked", "propose", "action", "title=x")
    bolt.start()
    acme.sync()
    claim(acme.run("whoami")["health"] == "fine", "once every counterpart has answered it is fine")
    claim(acme.item(before["ref"])["offers"], "and has its own words back")
    made = acme.run("propose", "action", "title=Said after the restore")
    claim(made["ref"] != before["ref"], "numbers go on")
    acme.sync()
    wait_in_step(acme, bolt)
    bolt.stop()


def main():
    group = Group("ACME", "BOLT")
    with group as (acme, bolt):
        acme.start()
        open_relationship(acme, [bolt])
        acme.run("propose", "action", "title=Before everything")
        bolt.sync()
        acme.stop()
        bolt.start()  # from here on BOLT listens and ACME dials
        acme.run("confirm", "BOLT", "--address", bolt.address)
        acme.sync()
        wait_in_step(acme, bolt)
        bolt.stop()

        restored(group.folder, acme, bolt)

        copy = copy_of(group.folder, acme, "copy")
        group.extra.append(copy)
        claim(copy.run("whoami")["health"] == "copied", "the copied home knows what it is")
        check_refused(copy, "a copied home", "propose", "action", "title=x")
        check_refused(copy, "a copied home", "serve", "--listen", "tcp://127.0.0.1:0")
        claim(acme.run("whoami")["health"] == "fine", "the original works on")

        copy.options = ["--force-copied-home"]
        acme.run("propose", "action", "title=Said by one")
        copy.run("propose", "action", "title=Said by the other")
        bolt.start()
        acme.sync()
        copy.run("sync", codes=(0, 1, 3))
        wait_for(lambda: bolt.status()["trouble"], "BOLT finds the fork")
        acme.run("sync", codes=(0, 1, 3))
        for side in (acme, bolt):
            forks = wait_for(lambda: [t for t in side.status()["trouble"] if t["kind"] == "fork"], "a fork at " + side.code)
            claim(forks[0]["party"] == "ACME" and len(forks[0]["heads"]) == 2 and forks[0]["proof"],
                  "%s reports ACME's fork with its proof" % side.code)
            claim("FORK" in side.text("status"), "and says it loudly")
        claim(acme.refused("propose", "action", "title=x")["exit"] == 1, "a frozen feed says nothing more")
        claim("Before everything" in bolt.text("list", "action"), "what came before the fork stands")
        for side in (acme, bolt):
            side.run("verify", codes=(0,))
        bolt.stop()


if __name__ == "__main__":
    main()
