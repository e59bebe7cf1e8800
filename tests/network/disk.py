"""A disk that is full, a limit on the size of files, a disk that cannot be written: said plainly, and nothing is lost.

    python3 disk.py PROGRAM [ROUNDS]

BOLT's home lies on a small file system of its own (a tmpfs, which only root may mount; without it, only the limit on
files is tried). It is filled while BOLT's people import and while ACME sends. Every refusal says what happened and what
to do; what was acknowledged stays; when there is room again, both come into step without anything else being done.
"""

import os
import resource
import shutil
import subprocess

from common import Failed, Group, claim, count, is_alive, log_of, need, open_relationship, skip, table, titles_of, told, \
    verify, wait_for, wait_in_step

DISK_BYTES = 6 << 20
ROOM = ("full", "room", "large", "limit", "writ")


class Disk:
    """A file system for one home; everything in it goes when it is closed."""

    def __init__(self, folder):
        self.folder = folder
        self.ballast = os.path.join(folder, "ballast")
        os.makedirs(folder)
        self.mount = need("mount")
        self.is_mounted = os.geteuid() == 0 and self.run("-t", "tmpfs", "-o", "size=%d,mode=0700" % DISK_BYTES, "tmpfs", folder)

    def run(self, *words):
        return subprocess.run([self.mount, *words], capture_output=True, check=False).returncode == 0

    def fill(self, left=0):
        """Leaves so many bytes."""
        with open(self.ballast, "ab", buffering=0) as file:
            found = os.statvfs(self.folder)
            room = found.f_bavail * found.f_frsize - left
            try:
                while room > 0:
                    room -= file.write(bytes(min(room, 65536)))
            except OSError:
                pass

    def empty(self):
        if os.path.exists(self.ballast):
            os.remove(self.ballast)

    def set_writable(self, is_writable):
        return self.run("-o", "remount,%s" % ("rw" if is_writable else "ro"), self.folder)

    def close(self):
        if self.is_mounted:
            subprocess.run([need("umount"), "-l", self.folder], capture_output=True, check=False)


def try_import(side, folder, name, rows):
    """The titles that were taken: all or none; and the error, if there was one."""
    titles = ["%s %s %d" % (side.code, name, row) for row in range(rows)]
    try:
        side.run("import", "action", table(folder, name.replace(" ", "-"), titles))
        return titles, None
    except Failed as failed:
        return [], dict(failed.error, exit=failed.code)


def import_until_full(side, folder, name):
    taken = []
    for number in range(200):
        titles, error = try_import(side, folder, "%s %d" % (name, number), 50)
        if error:
            told(error, "disk")
            claim(error["exit"] == 1 and any(word in error["message"] + error["next"] for word in ROOM),
                  "the import that does not fit says why, after %d that did" % number)
            return taken
        taken += titles
    raise AssertionError("the disk did not fill")


def offer_until_full(side, number):
    """One by one: what is refused is not there, and what is not refused is."""
    taken = []
    while len(taken) < 100:
        title = "%s single %d.%d" % (side.code, number, len(taken))
        try:
            side.run("propose", "action", "title=" + title)
            taken.append(title)
        except Failed as failed:
            told(failed.error, "disk")
            claim(failed.code == 1, "a single offer does not fit either, after %d that did" % len(taken))
            return taken
    raise AssertionError("the disk did not fill")


def check_full(acme, bolt, disk, folder, number, said):
    """Full under the command line, then under the daemon."""
    disk.fill(512 << 10)
    said += import_until_full(bolt, folder, "full %d" % number)
    disk.fill()
    said += offer_until_full(bolt, number)
    claim(titles_of(bolt) == sorted(said), "BOLT holds what was acknowledged, and reads it")
    titles, error = try_import(acme, folder, "meanwhile %d" % number, 50)
    claim(not error, "ACME goes on")
    said += titles
    wait_for(lambda: "disk" in log_of(bolt).split("-- filled %d --" % number)[-1], "BOLT's daemon says that the disk is full")
    claim(is_alive(bolt) and is_alive(acme), "and both daemons run on")
    claim(acme.run("status")["exit"] == 3, "ACME sees that BOLT does not have it all")
    disk.empty()
    wait_for(lambda: titles_of(bolt) == sorted(said) and titles_of(acme) == sorted(said),
             "with room again both hold everything")
    wait_in_step(acme, bolt)


def check_read_only(acme, bolt, disk, folder, said):
    """The disk turns read-only, as Linux does to one that fails."""
    bolt.stop()
    if not disk.set_writable(False):
        print("  not tried: the disk could not be made read-only", flush=True)
        bolt.start()
        return
    for words in (("propose", "action", "title=x"), ("sync",), ("serve", "--listen", "tcp://127.0.0.1:0")):
        error = told(bolt.refused(*words))
        claim(error["exit"] == 1 and "written" in error["message"] and "disk" in error["next"],
              "on a read-only disk %s says so" % words[0])
    claim(disk.set_writable(True), "the disk can be written again")
    titles, _ = try_import(acme, folder, "while read-only", 5)
    said += titles
    bolt.start()
    wait_in_step(acme, bolt)
    claim(titles_of(bolt) == sorted(said), "and BOLT goes on where it was")


def check_limit(group, acme, bolt, said):
    """A limit on the size of files stands in for a full disk where nothing may be mounted."""
    def limit():
        size = os.path.getsize(os.path.join(bolt.home, "counterpart.db-wal")) + 20000
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    path = table(group.folder, "limited", ["BOLT limited %d" % row for row in range(400)])
    done = subprocess.run(bolt.process(["import", "action", path]), env=bolt.environment, preexec_fn=limit,
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    claim(done.returncode == 1 and "disk" in done.stderr and done.stderr.count("\n") >= 2,
          "beyond the limit on files: exit %d, %s" % (done.returncode, done.stderr))
    claim(titles_of(bolt) == sorted(said), "and nothing of it was taken")
    bolt.run("import", "action", path)
    said += ["BOLT limited %d" % row for row in range(400)]
    wait_in_step(acme, bolt)
    claim(titles_of(acme) == sorted(said), "without the limit it goes well")


def check_init(group, disk):
    """A home cannot be made on a full disk; with room it can, in the same folder."""
    disk.fill()
    cord = type(group.members[0])(group.folder, "CORD", home=os.path.join(disk.folder, "cord"))
    words = ("init", "--name", "Cord Ltd", "--domain", "cord.example", "--code", "CORD", "--no-passphrase")
    error = told(cord.refused(*words))
    claim(error["exit"] == 1, "init on a full disk fails")
    disk.empty()
    cord.run(*words)
    claim(cord.run("doctor", codes=(0,))["healthy"], "and goes well with room, where it was begun")
    shutil.rmtree(cord.home)


def main():
    rounds = count(1, 1)
    group = Group("ACME", "BOLT")
    place = os.path.join(group.folder, "disk")
    disk = Disk(place)
    try:
        if disk.is_mounted:
            group.members[1].home = os.path.join(place, "bolt")
        with group as (acme, bolt):
            acme.start()
            open_relationship(acme, [bolt])
            bolt.start()
            said = []
            if disk.is_mounted:
                for number in range(rounds):
                    bolt.log.write("-- filled %d --" % number)
                    bolt.log.flush()
                    check_full(acme, bolt, disk, group.folder, number, said)
                check_read_only(acme, bolt, disk, group.folder, said)
                check_init(group, disk)
            check_limit(group, acme, bolt, said)
            acme.stop()
            bolt.stop()
            verify(acme, bolt)
            disk.close()
    finally:
        disk.close()
    if not disk.is_mounted:
        skip("this user may not mount a small disk; the limit on files was tried")


if __name__ == "__main__":
    main()
