"""What the scripts about bad lines, disks and clocks share, on top of what the scenarios share.

Each is run as `python3 NAME.py PROGRAM [COUNTS ...]`, fails by raising, and ends with SKIP, saying why, where the machine
lacks a permission or a package. Random ones print their seed and take it back as COUNTERPART_TEST_SEED.
"""

import os
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scenarios"))
# pylint: disable=unused-import
from counterpart import (PATIENCE_S, Failed, Group, Organisation, claim, invite, open_relationship, party_of, program, verify,
                         wait_for, wait_in_step)

SKIP = 77
NOBODY = 65534  # a user and group without rights of its own


def skip(why):
    print("skipped: " + why, flush=True)
    sys.exit(SKIP)


def count(position, usual):
    """The number in that place behind PROGRAM."""
    return int(sys.argv[position + 1]) if len(sys.argv) > position + 1 else usual


def chance():
    seed = int(os.environ.get("COUNTERPART_TEST_SEED") or time.time_ns() % 2**32)
    print("COUNTERPART_TEST_SEED=%d" % seed, flush=True)
    return random.Random(seed)


def need(tool):
    found = shutil.which(tool) or shutil.which(tool, path="/usr/sbin:/sbin")
    return found or skip("there is no %s on this machine" % tool)


def table(folder, name, titles):
    """A file of actions to import."""
    path = os.path.join(folder, name + ".csv")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(["title"] + titles) + "\n")
    return path


def titles_of(organisation):
    """Of everything ever offered, sorted: what two sides in step have in common."""
    return sorted(offer["terms"]["title"] for item in organisation.items().values() for offer in item["offers"])


def told(error, *words):
    """An error that says what happened, in these words, and what to do next."""
    said = "%s / %s" % (error.get("message"), error.get("next"))
    claim(error.get("message") and error.get("next") and all(word in said for word in words), said)
    return error


def is_alive(organisation):
    return organisation.daemon is not None and organisation.daemon.poll() is None


def log_of(organisation):
    """What its daemons have said, as text."""
    with open(os.path.join(organisation.folder, organisation.code.lower() + ".log"), encoding="utf-8") as log:
        return log.read()


def run_raw(words, **more):
    return subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
                          timeout=4 * PATIENCE_S, **more)
