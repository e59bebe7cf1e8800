"""Files that may not be read or written by whoever runs the program: every refusal names the file and what to do.

    python3 permissions.py PROGRAM

Root may read everything: started as root, the script runs the program as a user without rights (setpriv).
"""

import os
import shutil
import subprocess
import sys
import tempfile

from common import NOBODY, Group, Organisation, claim, need, open_relationship, program, told, verify


class Someone(Organisation):
    """An organisation whose commands and daemon run without root's rights."""

    def process(self, words):
        usual = super().process(words)
        if os.geteuid() != 0:
            return usual
        return [need("setpriv"), "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"] + usual


def files_of(organisation):
    key = sorted(name for name in os.listdir(os.path.join(organisation.home, "keys")) if name.startswith("log-"))[0]
    return [os.path.join(organisation.home, *path) for path in
            (("counterpart.db",), ("marker",), ("marker.lock",), ("keys",), ("keys", "identity.key"), ("keys", "receipt.key"),
             ("keys", "transport.key"), ("keys", key))]


VERBS = (("propose", "action", "title=x"), ("list", "action"), ("status",), ("sync",), ("verify",), ("doctor",),
         ("serve", "--listen", "tcp://127.0.0.1:0"))


def check_closed(one, path, mode):
    """What needs the file says so, by its name; nothing else happens; and with the mode as it was all is well."""
    usual = os.stat(path).st_mode & 0o777
    os.chmod(path, mode)
    refused = 0
    try:
        for words in VERBS:
            if words[0] == "serve":
                limit = ["timeout", "-s", "TERM", "1"]
            else:
                limit = []
            done = subprocess.run(limit + one.process(words), env=one.environment, capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL, check=False)
            if done.returncode in (0, 3, 4, 124):
                continue
            refused += 1
            said = done.stderr.splitlines()
            is_named = os.path.basename(path) in done.stdout + done.stderr or os.path.basename(one.home) in done.stderr
            if done.returncode not in (1, 5) or len(said) < 2 or not is_named:
                raise AssertionError("%s with mode %o: %s: exit %d\n%s" % (path, mode, words[0], done.returncode,
                                                                           done.stderr))
            last = "%s: %s" % (words[0], " ".join(said[-2:]))
    finally:
        os.chmod(path, usual)
    claim(refused, "%s with mode %03o: %d of %d verbs refuse, as %s" % (os.path.relpath(path, one.home), mode, refused,
                                                                     len(VERBS), last[:200]))


def check_open(one, path):
    """A key that others may read is refused, with the command that closes it, which then helps."""
    os.chmod(path, 0o644)
    error = told(one.refused("propose", "action", "title=x"), "chmod 600", path)
    command = error["next"].split(": ", 1)[1]
    subprocess.run(command, shell=True, check=True)
    one.run("propose", "action", "title=After it was closed")


def check_others(one, path):
    """doctor sees what others may reach, and its words mend it."""
    os.chmod(path, 0o755 if os.path.isdir(path) else 0o644)
    report = one.run("doctor", codes=(1,))
    wrong = [check for check in report["checks"] if not check["fine"]]
    claim(len(wrong) == 1 and path in wrong[0]["said"], "doctor: " + wrong[0]["said"])
    subprocess.run(wrong[0]["said"].split("close it with: ", 1)[1], shell=True, check=True)
    claim(one.run("doctor", codes=(0,))["healthy"], "which mends it")


def check_root(one):
    """Somebody worked on the home as root: its files are root's then, and that is said."""
    if os.geteuid() != 0:
        return
    root = Organisation(one.folder, one.code, home=one.home)
    root.run("propose", "action", "title=By root")
    error = told(one.refused("list", "action"), "check who owns", one.home)
    for path, folders, files in os.walk(one.home):
        for name in folders + files:
            os.chown(os.path.join(path, name), NOBODY, NOBODY)
    for path, _, files in os.walk(os.path.join(one.folder, "state")):
        for name in files:
            os.chown(os.path.join(path, name), NOBODY, NOBODY)
    claim(one.run("doctor", codes=(0,))["healthy"], "given back, it is as it was: " + error["message"])


def check_init(one, folder):
    closed = os.path.join(folder, "closed")
    os.makedirs(closed)
    os.chmod(closed, 0o555)
    cord = Someone(folder, "CORD", home=os.path.join(closed, "cord"))
    error = told(cord.refused("init", "--name", "Cord Ltd", "--domain", "cord.example", "--code", "CORD",
                              "--no-passphrase"), "closed")
    claim(error["exit"] == 1, "init where nothing may be made says where")
    one.environment = dict(one.environment, XDG_STATE_HOME=os.path.join(closed, "state"))
    error = told(one.refused("propose", "action", "title=x"), "closed")
    claim(error["exit"] == 1, "and so does a state folder that cannot be made")


def main():
    if os.geteuid() == 0:
        need("setpriv")
    # The user without rights must reach the program and the homes, wherever the program was built.
    folder = tempfile.mkdtemp(prefix="counterpart-rights-")
    os.chmod(folder, 0o755)
    shutil.copy2(program(), os.path.join(folder, "counterpart"))
    sys.argv[1] = os.path.join(folder, "counterpart")
    group = Group("ACME")
    os.makedirs(os.path.join(group.folder, "theirs"), mode=0o777)
    os.chmod(os.path.join(group.folder, "theirs"), 0o777)
    one = Someone(os.path.join(group.folder, "theirs"), "BOLT")
    group.members.append(one)
    os.chmod(group.folder, 0o755)
    try:
        with group as (acme, bolt):
            acme.start()
            open_relationship(acme, [bolt])
            bolt.run("propose", "action", "title=Before")
            bolt.sync()
            for path in files_of(bolt):
                check_closed(bolt, path, 0o000)
            check_closed(bolt, bolt.home, 0o000)
            for path in (os.path.join(bolt.home, "counterpart.db"), os.path.join(bolt.home, "marker.lock")):
                check_closed(bolt, path, 0o400)
            check_closed(bolt, bolt.home, 0o500)
            for name in ("identity", "receipt", "transport"):
                check_open(bolt, os.path.join(bolt.home, "keys", name + ".key"))
            for path in (bolt.home, os.path.join(bolt.home, "counterpart.db")):
                check_others(bolt, path)
            check_root(bolt)
            bolt.sync()
            acme.stop()
            verify(acme, bolt)
            check_init(bolt, group.folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
