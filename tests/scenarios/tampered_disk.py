"""Any single byte of what was said, changed on disk, is found and named by `verify`; so is an item table that lies."""

import os
import sqlite3

from counterpart import Failed, Group, claim, open_relationship

# What is signed or kept as it came. Every byte of a small one, some bytes of a long one.
SIGNED = (("entry", ("id", "header", "salt", "body")), ("head", ("root", "signature")), ("receipt", ("signature",)))
FOLDED = (
    ("item", "UPDATE item SET revision = zeroblob(32) WHERE revision IS NOT NULL"),
    ("proposal", "UPDATE item SET sealed = NULL, seal_entry = NULL WHERE sealed IS NOT NULL"),
    ("word", "DELETE FROM answer WHERE kind = 1"),
    ("statement word", "UPDATE statement_word SET word = 1"),
)
SAMPLES = 9


class Disk:
    """A node's database, changed one byte at a time and put back."""

    def __init__(self, organisation):
        self.organisation = organisation
        self.path = os.path.join(organisation.home, "counterpart.db")

    def run(self, sql, *values):
        base = sqlite3.connect(self.path, isolation_level=None)
        try:
            return base.execute(sql, values).fetchall()
        finally:
            base.close()

    def findings(self):
        """What verify says; raises when it says that all is well."""
        try:
            self.organisation.run("verify", codes=(0,))
        except Failed as failed:
            if failed.code != 5:
                raise
            return failed.stdout + failed.error.get("message", "")
        return None


def keys_of(disk, table):
    return [row[1] for row in disk.run("PRAGMA table_info(%s)" % table) if row[5]]


def tamper(disk, table, column):
    keys = keys_of(disk, table)
    where = " AND ".join("%s = ?" % key for key in keys)
    rows = disk.run("SELECT %s, %s FROM %s WHERE %s IS NOT NULL" % (", ".join(keys), column, table, column))
    tried = 0
    for number, row in enumerate(rows):
        key, blob = row[:-1], row[-1]
        step = max(1, len(blob) // SAMPLES) if number else max(1, len(blob) // 64)
        for at in range(0, len(blob), step):
            changed = bytearray(blob)
            changed[at] ^= 1 << (at % 8)
            disk.run("UPDATE %s SET %s = ? WHERE %s" % (table, column, where), bytes(changed), *key)
            found = disk.findings()
            if not found:
                raise AssertionError("byte %d of %s.%s of row %d is not missed" % (at, table, column, number))
            disk.run("UPDATE %s SET %s = ? WHERE %s" % (table, column, where), blob, *key)
            tried += 1
    claim(tried and not disk.findings(), "%d changed bytes of %s.%s are found" % (tried, table, column))


def main():
    with Group("ACME", "BOLT") as (acme, bolt):
        acme.start()
        open_relationship(acme, [bolt])
        ref = acme.run("propose", "action", "title=Paint the hall", "owner=BOLT")["ref"]
        bolt.sync()
        bolt.run("accept", ref, "--yes")
        bolt.sync()
        bolt.run("state", "action", ref, "status=in_progress")
        bolt.sync()
        acme.run("dispute", ref, "--reason", "It is still grey.")
        bolt.sync()
        acme.stop()
        disk = Disk(bolt)
        claim(not disk.findings(), "all is well before")
        for table, columns in SIGNED:
            for column in columns:
                tamper(disk, table, column)
        for name, change in FOLDED:
            disk.run(change)
            claim(disk.findings(), "a changed %s table is found" % name)
            rebuilt = bolt.run("rebuild", codes=(0,))["relationships"][0]
            claim(not rebuilt["same"] and not disk.findings(), "and a rebuild mends it")
        acme.start()
        disk.run("UPDATE relationship SET state = zeroblob(2048)")
        bolt.sync()
        claim(not bolt.status()["in_step"] and not acme.status()["in_step"], "equal entries, another state: not in step")
        bolt.run("rebuild", codes=(0,))
        bolt.sync()
        claim(bolt.status()["in_step"] and acme.status()["in_step"], "and in step again after a rebuild")
        acme.stop()
        last = disk.run("SELECT relationship, feed, position FROM entry ORDER BY feed, position DESC LIMIT 1")[0]
        disk.run("DELETE FROM entry WHERE relationship = ? AND feed = ? AND position = ?", *last)
        claim(disk.findings(), "a missing entry is found")


if __name__ == "__main__":
    main()
