"""What the scenarios share: organisations with a home each, the real program, real sockets on loopback.

A scenario is a Python file that ctest runs as `python3 NAME.py PROGRAM`. It fails by raising.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

# Sanitizer builds are several times slower, and so is a busy machine.
PATIENCE_S = float(os.environ.get("COUNTERPART_PATIENCE", "180"))


def program():
    if len(sys.argv) < 2:
        sys.exit("usage: %s PROGRAM" % sys.argv[0])
    return os.path.abspath(sys.argv[1])


def claim(is_so, what):
    """One thing the scenario shows; raising is failing."""
    if not is_so:
        raise AssertionError(what)
    print("  ok: " + what, flush=True)


def wait_for(condition, what, seconds=PATIENCE_S):
    """Waits until `condition` gives something true, and gives that back."""
    until = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > until:
            raise AssertionError("waited %d s in vain: %s" % (seconds, what))
        time.sleep(0.05)


def reserve_address():
    """An address for a daemon that comes and goes, and a socket that holds it.

    As long as that is open, the system gives the port to nobody else, the daemon can listen there all the same, and
    without it whoever dials is refused.
    """
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return "tcp://127.0.0.1:%d" % holder.getsockname()[1], holder


class Failed(Exception):
    def __init__(self, words, code, stdout, stderr):
        super().__init__("%s: exit %d\n%s\n%s" % (" ".join(words), code, stdout, stderr))
        self.code = code
        self.stdout = stdout
        self.error = {}
        for line in stderr.splitlines():
            if line.startswith('{"error"'):
                self.error = json.loads(line)["error"]


class Organisation:
    """One organisation: a home, and perhaps a daemon that runs on it."""

    def __init__(self, folder, code, home=None):
        self.code = code
        self.folder = folder
        self.home = home or os.path.join(folder, code.lower())
        self.environment = dict(
            os.environ,
            XDG_STATE_HOME=os.path.join(folder, "state"),
            COUNTERPART_PERSON="%s person" % code.capitalize(),
            TZ="UTC",
        )
        self.daemon = None
        self.address = self.holder = None
        self.options = []
        self.before_start = None  # called in the daemon's process before it begins

    def init(self):
        name = self.code.capitalize()
        return self.run("init", "--name", name + " Ltd", "--domain", name.lower() + ".example", "--code", self.code,
                        "--no-passphrase")

    def process(self, words):
        return [program(), "--home", self.home] + self.options + [str(word) for word in words]

    def run(self, *words, codes=(0, 3, 4), stdin=None):
        """Runs one verb with --json; gives its answer, or raises Failed for any other exit code."""
        done = subprocess.run(self.process(words) + ["--json"], env=self.environment, capture_output=True, text=True,
                              input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL,
                              timeout=4 * PATIENCE_S)
        if done.returncode not in codes:
            raise Failed(words, done.returncode, done.stdout, done.stderr)
        answer = json.loads(done.stdout) if done.stdout.strip() else {}
        answer["exit"] = done.returncode
        return answer

    def text(self, *words, codes=(0, 3, 4)):
        """Runs one verb for people; gives what it printed on stdout."""
        done = subprocess.run(self.process(words), env=self.environment, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=4 * PATIENCE_S)
        if done.returncode not in codes:
            raise Failed(words, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def refused(self, *words, stdin=None):
        """Runs one verb that must fail; gives the error."""
        try:
            answer = self.run(*words, codes=(0,), stdin=stdin)
        except Failed as failed:
            failed.error["exit"] = failed.code
            return failed.error
        raise AssertionError("%s was done: %s" % (" ".join(words), answer))

    # ---- the daemon

    def start(self, listen=None):
        """Starts the daemon, always on the same port, and waits until it listens."""
        if not listen and not self.holder:
            self.address, self.holder = reserve_address()
        listen = listen or self.address
        self.log = open(os.path.join(self.folder, self.code.lower() + ".log"), "a")
        self.daemon = subprocess.Popen(self.process(["serve", "--listen", listen, "--no-console", "--json", "--verbose"]),
                                       env=self.environment, stdout=subprocess.PIPE, stderr=self.log, text=True,
                                       stdin=subprocess.DEVNULL, preexec_fn=self.before_start)
        line = self.daemon.stdout.readline()
        if not line:
            raise AssertionError("%s's daemon did not start: exit %s" % (self.code, self.daemon.wait()))
        self.address = json.loads(line)["listening"][0]

    def stop(self, how=signal.SIGTERM):
        if not self.daemon:
            return
        self.daemon.send_signal(how)
        code = self.daemon.wait(timeout=PATIENCE_S)
        self.daemon.stdout.close()
        self.log.close()
        self.daemon = None
        if how == signal.SIGTERM and code != 0:
            raise AssertionError("%s's daemon ended with %d" % (self.code, code))

    # ---- questions

    def items(self, noun="action"):
        return {item["ref"]: item for item in self.run("list", noun)["items"]}

    def item(self, ref):
        return self.run("show", ref)

    def offer(self, ref, proposal):
        """How an offer stands here: its state, or None when it is not among the item's offers."""
        for offer in self.item(ref)["offers"]:
            if offer["proposal"] == proposal:
                return offer["state"]
        return None

    def status(self):
        return self.run("status")["relationships"][0]

    def history(self, ref):
        return self.run("history", ref)["entries"]

    def sync(self):
        return self.run("sync")


class Group:
    """A scenario's organisations in a folder of their own; stops every daemon and removes the folder at the end.

    With a folder given, what is there is gone on with, and stays."""

    def __init__(self, *codes, folder=None):
        self.is_kept = folder is not None
        self.folder = os.path.abspath(folder) if folder else tempfile.mkdtemp(prefix="counterpart-scenario-")
        os.makedirs(self.folder, exist_ok=True)
        self.members = [Organisation(self.folder, code) for code in codes]
        self.extra = []

    def __enter__(self):
        for member in self.members:
            if not os.path.exists(os.path.join(member.home, "counterpart.db")):
                member.init()
        return self.members

    def __exit__(self, kind, *_):
        for member in self.members + self.extra:
            if member.daemon and member.daemon.poll() is None:
                member.daemon.kill()
                member.daemon.wait()
        if kind and os.environ.get("COUNTERPART_KEEP"):
            print("kept: " + self.folder)
            return
        if kind:
            for name in sorted(os.listdir(self.folder)):
                if name.endswith(".log"):
                    with open(os.path.join(self.folder, name)) as log:
                        print("---- %s\n%s" % (name, "".join(log.readlines()[-60:])), flush=True)
        if not self.is_kept:
            shutil.rmtree(self.folder, ignore_errors=True)


def open_relationship(opener, others, title="Acme and partners"):
    """Opens it, and pairs the opener, whose daemon runs, with each of the others; gives the id."""
    parties = [word for other in others for word in ("--party", other.code)]
    relationship = opener.run("open", title, *parties)["relationship"]
    for other in others:
        invite(opener, other, relationship)
    return relationship


def invite(opener, other, relationship):
    block = opener.text("invite", "-r", relationship, "--party", other.code, "--address", opener.address)
    joined = other.run("join", "-", stdin=block)
    claim(joined["relationship"] == relationship, "%s has joined" % other.code)
    words = wait_for(lambda: party_of(opener, relationship, other.code)["words"], "the opener's check words")
    claim(words == joined["words"] and len(words.split()) == 6, "both see the same six check words")
    opener.run("confirm", other.code, "-r", relationship, "--how", "voice")
    other.run("confirm", opener.code, "-r", relationship, "--how", "voice")


def party_of(organisation, relationship, code):
    for one in organisation.run("relationships")["relationships"]:
        if one["relationship"] == relationship:
            for party in one["parties"]:
                if party["code"] == code:
                    return party
    raise AssertionError("%s does not know %s" % (organisation.code, code))


def are_in_step(*organisations):
    """All say that they are in step, with one digest."""
    statuses = [organisation.status() for organisation in organisations]
    return all(status["in_step"] for status in statuses) and len({status["digest"] for status in statuses}) == 1


def wait_in_step(*organisations):
    wait_for(lambda: are_in_step(*organisations), "all in step: %s"
             % [organisation.code for organisation in organisations])
    digests = {organisation.status()["digest"] for organisation in organisations}
    claim(len(digests) == 1, "in step, digest %s" % digests.pop()[:16])


def verify(*organisations):
    for organisation in organisations:
        organisation.run("verify", codes=(0,))
        rebuilt = organisation.run("rebuild", codes=(0,))["relationships"]
        claim(all(one["same"] for one in rebuilt), "%s verifies, and a rebuild changes nothing" % organisation.code)
