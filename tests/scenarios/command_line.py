"""The command line itself: help, exit codes, errors, passphrases, choosing among several relationships, references."""

import json
import os
import stat
import subprocess

from counterpart import Failed, Group, Organisation, claim, invite, open_relationship, program

VERBS = ("init whoami open invite join confirm relationships propose accept decline withdraw state acknowledge dispute "
         "comment inbox list show history diff status serve sync import export verify rebuild doctor").split()


def run(*words, **environment):
    return subprocess.run([program(), *words], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env=dict(os.environ, **environment))


def check_help():
    claim(run("--version").stdout.startswith("counterpart "), "a version")
    everything = run("help").stdout
    for verb in VERBS:
        shown = run(verb, "--help")
        claim(shown.returncode == 0 and shown.stdout.startswith("counterpart " + verb) and verb in everything,
              "%s has help" % verb)
    claim("\033" not in everything, "no colour without a terminal")


def check_usage(home):
    for words in ((), ("dance",), ("show",), ("show", "A-1", "B-2"), ("status", "--colour"), ("--home",), ("list", "cake")):
        plain = run(*words, COUNTERPART_HOME=home)
        claim(plain.returncode == 2 and plain.stderr.startswith("counterpart: ") and not plain.stdout,
              "usage: %s" % (" ".join(words) or "nothing"))
        error = json.loads(run(*words[:1], "--json", *words[1:], COUNTERPART_HOME=home).stderr)["error"]
        claim(error["code"] == "usage" and error["message"] and error["next"], "and as JSON: " + error["message"])


def check_passphrase(folder):
    sealed = Organisation(folder, "SEAL")
    secret = os.path.join(folder, "passphrase")
    wrong = os.path.join(folder, "wrong")
    for path, text in ((secret, "correct horse\n"), (wrong, "battery staple\n")):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    words = ("--name", "Seal Ltd", "--domain", "seal.example", "--code", "SEAL")
    claim(sealed.refused("init", *words)["exit"] == 2, "how keys are kept must be said without a terminal")
    sealed.run("init", *words, "--passphrase-file", secret)
    claim(sealed.refused("init", *words, "--no-passphrase")["code"] == "conflict", "a home is made once")
    claim(sealed.refused("open", "X", "--party", "YY")["next"].endswith("--passphrase-file FILE"), "a passphrase is needed")
    claim(sealed.refused("open", "X", "--party", "YY", "--passphrase-file", wrong)["exit"] == 1, "and the right one")
    opened = sealed.run("open", "X", "--party", "YY", "--passphrase-file", secret)
    claim(len(opened["relationship"]) == 32, "which opens it")
    for path in [sealed.home] + [os.path.join(sealed.home, "keys", name)
                                 for name in os.listdir(os.path.join(sealed.home, "keys"))]:
        claim(stat.S_IMODE(os.stat(path).st_mode) & 0o077 == 0, "%s is its owner's alone" % os.path.basename(path))


def check_join_later(acme, bolt):
    """The sender is away when the invitation is taken."""
    relationship = acme.run("open", "Later", "--party", "BOLT")["relationship"]
    block = acme.text("invite", "-r", relationship, "--party", "BOLT", "--address", acme.address)
    acme.stop()
    error = {}
    try:
        bolt.run("join", "-", stdin=block)
    except Failed as failed:
        error = dict(failed.error, exit=failed.code)
    claim(error["exit"] == 1 and "kept" in error["next"], "an invitation is kept when nobody answers")
    pending = [r for r in bolt.run("relationships")["relationships"] if r["relationship"] == relationship]
    claim(pending and pending[0]["joining"], "and shown as pending")
    acme.start()
    shouted = "\n".join("> " + line.upper() for line in block.splitlines())  # as mail programs mangle it
    again = bolt.run("join", "-", stdin=shouted)
    claim(len(again["words"].split()) == 6, "the same invitation goes on where it was")


def check_choosing(acme, bolt, first):
    claim(acme.refused("propose", "action", "title=x")["code"] == "conflict", "several relationships: one must be chosen")
    made = acme.run("propose", "action", "-r", "first", "title=In the first")
    claim(acme.run("show", made["ref"].lower(), "-r", first[:6])["ref"] == made["ref"], "by the digits of its id")
    claim(acme.refused("list", "action", "-r", "nothing")["code"] == "missing", "an unknown one is said")
    claim(acme.run("show", made["proposal"][:8])["ref"] == made["ref"], "an entry id names its item")
    claim(acme.refused("show", "ACME-999")["code"] == "missing", "an unknown reference is said")
    error = acme.refused("propose", "action", "-r", "first", "colour=red")
    claim(error["exit"] == 2 and "title" in error["next"], "an unknown field lists the fields")
    claim(acme.refused("propose", "action", "-r", "first", "title=x", "due=31.12.2026")["exit"] == 2, "a wrong day is said")
    claim(acme.refused("state", "action", made["ref"], "-r", "first", "due=2026-12-31")["exit"] == 2, "a term is no word")
    claim(acme.refused("accept", made["ref"], "-r", "first", "--yes")["exit"] == 1, "nobody accepts the own offer")
    claim(acme.refused("decline", made["ref"], "-r", "first")["exit"] == 2, "declining needs a reason")
    bolt.run("sync")
    bolt.run("propose", "action", made["ref"], "-r", "first", "title=Otherwise")
    claim(bolt.refused("accept", made["ref"], "-r", "first", "--yes")["code"] == "conflict", "two offers: --expect")
    claim(bolt.refused("accept", made["ref"], "-r", "first", "--yes", "--expect", "00000000")["exit"] == 1, "the right one")
    taken = bolt.run("accept", made["ref"], "-r", "first", "--yes", "--expect", made["proposal"][:8])
    states = {offer["by"]: offer["state"] for offer in taken["offers"]}
    claim(states["ACME"] == "receipt_awaited" and states["BOLT"] != "offered", "accepting one leaves the other")


def main():
    group = Group("ACME", "BOLT")
    with group as (acme, bolt):
        check_help()
        check_usage(acme.home)
        check_passphrase(group.folder)
        acme.start()
        first = open_relationship(acme, [bolt], "First of all")
        check_join_later(acme, bolt)
        check_choosing(acme, bolt, first)
        claim(acme.refused("serve", "--listen", "tcp://127.0.0.1:0")["code"] == "conflict", "one daemon a home")
        acme.stop()
        claim(bolt.refused("sync")["exit"] == 1, "nobody reached")
        claim(bolt.run("status")["exit"] == 3, "not in step")
        claim(run("--home", os.path.join(group.folder, "none"), "status").returncode == 1, "no home there")


if __name__ == "__main__":
    main()
