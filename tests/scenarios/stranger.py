"""A node with a valid identity and no membership gets nothing, and what is not ours to read leaves the daemon serving."""

import os
import shutil
import socket

from counterpart import PATIENCE_S, Failed, Group, Organisation, claim, invite, open_relationship, party_of
from relay import Wire, place_of

TITLE = "Acme and Bolt in confidence"
SP_REQ = b"\x00SP\x00\x00\x30\x00\x00"  # how a REQ socket of the scalability protocols introduces itself


def throw(organisation, *messages, hello=SP_REQ, wanted=0):
    """Connects and sends messages as a REQ socket would; gives what comes back: `wanted` bytes, or all within a second."""
    got = b""
    with socket.create_connection(place_of(organisation.address)) as pipe:
        pipe.settimeout(PATIENCE_S if wanted else 1)
        try:
            pipe.sendall(hello)
            for message in messages:
                body = b"\x80\x00\x00\x01" + message
                pipe.sendall(len(body).to_bytes(8, "big") + body)
            while not wanted or len(got) < wanted:
                chunk = pipe.recv(65536)
                if not chunk:
                    break
                got += chunk
        except OSError:
            pass
    return got


def holds(organisation, *secrets):
    """Does any file of its home hold one of these?"""
    for folder, _, names in os.walk(organisation.home):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                content = file.read()
            if any(secret in content for secret in secrets):
                return True
    return False


def check_bytes_of_a_stranger(group, acme, delta, *secrets):
    """DELTA knows ACME's transport key, from a copy of its home made before anything was opened, and shares nothing."""
    twin = Organisation(group.folder, "ACME", home=os.path.join(group.folder, "early"))
    twin.options = ["--force-copied-home"]
    group.extra.append(twin)
    twin.start()
    relationship = twin.run("open", "The copy and Delta", "--party", "DELTA")["relationship"]
    invite(twin, delta, relationship)
    twin.stop()
    wire = Wire(acme.address)
    delta.run("confirm", "ACME", "-r", relationship, "--address", wire.address)
    error = delta.refused("sync", "-r", relationship)
    wire.close()
    claim(error["exit"] == 1 and not wire.trouble, "a stranger with a valid identity is refused")
    kinds = [(frame[:1].hex(), len(frame)) for frame in wire.requests]
    claim([kind for kind, _ in kinds] == ["01", "04"], "after a whole handshake with the right key")
    claim([(frame[:1].hex(), len(frame)) for frame in wire.answers] == [("03", 57), ("06", 1)],
          "what it gets is message 2 and one byte: refused")
    claim(wire.answers[0][1:9] == wire.requests[0][2:10], "message 2 repeats its session id and adds a key and a tag")
    claim(not any(secret in b"".join(wire.answers) for secret in secrets), "no relationship id and no title")


PIECE = 65535  # bytes of every transport message of a sealed frame but the last
CLEAR = 18     # bytes before them: kind, session id, direction, counter


def damaged(frame):
    """One bit changed at up to 64 places (every clear byte, head and tail first), cut short, longer, renumbered, mixed."""
    places = set(range(CLEAR + 8)) | set(range(len(frame) - 16, len(frame)))
    places |= set(range(0, len(frame), max(1, len(frame) // 24)))
    for at in sorted(place for place in places if place < len(frame)):
        changed = bytearray(frame)
        changed[at] ^= 1 << (at % 8)
        yield bytes(changed)
    for length in sorted({0, 1, 9, CLEAR, CLEAR + 15, CLEAR + 16, len(frame) // 2, len(frame) - 16, len(frame) - 1}):
        yield frame[:length]
    yield frame + b"\x00"
    counter = int.from_bytes(frame[10:18], "big")
    for other in (counter + 1, counter + 65536, 2**64 - 1):
        yield frame[:10] + other.to_bytes(8, "big") + frame[18:]
    run = frame[CLEAR:]
    if len(run) > 2 * PIECE:
        first, second = run[:PIECE], run[PIECE:2 * PIECE]
        yield frame[:CLEAR] + second + first + run[2 * PIECE:]  # pieces in another order
        yield frame[:CLEAR] + run[:2 * PIECE]                   # the last ones missing
        yield frame[:CLEAR] + first + run                       # one twice


def hostile(wire, frame):
    """Before a sealed request of BOLT's goes on: damaged ones like it, and everything that passed, the last first."""
    if frame[0] != 5:
        return
    yield from damaged(frame)
    answered = len(wire.answers)
    yield from reversed([old for old in wire.requests[:answered] if old[0] in (4, 5)])  # replayed, in another order
    yield from reversed([old for old in wire.answers[:answered] if old[0] in (3, 5)])   # reflected


def check_frames(group, acme, bolt, relationship):
    """Somebody on the line between BOLT and ACME alters, repeats and turns round what passes."""
    path = os.path.join(group.folder, "many.csv")
    with open(path, "w", encoding="utf-8") as file:
        file.write("title\n" + "".join("Number %d\n" % number for number in range(2500)))
    bolt.run("import", "action", path, "-r", relationship)  # enough for a frame of several pieces
    acme.run("propose", "action", "title=Something of theirs", "-r", relationship)  # so that there is more than one request
    wire = Wire(acme.address, hostile)
    bolt.run("confirm", "ACME", "-r", relationship, "--address", wire.address)
    synced = bolt.run("sync", "-r", relationship)
    recorded = [frame for frame in wire.requests if frame[0] == 5]
    claim(synced["exit"] == 0 and synced["entries_sent"] >= 2500 and not wire.trouble, "BOLT's own frames were taken")
    claim(max(len(frame) for frame in recorded) > CLEAR + 2 * PIECE, "one of them had several pieces")
    for extra, answer in wire.let_in:
        raise AssertionError("%s.. got %s.." % (extra[:32].hex(), answer[:32].hex()))
    claim(wire.refused > 100, "%d damaged, replayed, reordered and reflected ones were refused" % wire.refused)
    wire.slip = lambda wire, frame: recorded if frame[0] == 5 else ()
    before = wire.refused
    bolt.run("sync", "-r", relationship)
    claim(wire.refused >= before + len(recorded) and not wire.let_in, "so are frames of an earlier session")
    wire.close()
    bolt.run("confirm", "ACME", "-r", relationship, "--address", acme.address)
    refusal = answer_of(b"\x06")
    for frame in recorded:
        answer = throw(acme, frame, wanted=HELLO + len(refusal))[HELLO:]
        claim(answer == refusal, "alone, a frame of %d bytes gets one byte" % len(frame))
    items = acme.run("list", "action", "-r", relationship)["items"]
    claim(len(items) == 2502, "ACME holds what BOLT said, once")


HELLO = 8  # bytes of the other side's introduction


def answer_of(frame):
    return (len(frame) + 4).to_bytes(8, "big") + b"\x80\x00\x00\x01" + frame


def main():
    group = Group("ACME", "BOLT", "DELTA", "ECHO")
    with group as (acme, bolt, delta, echo):
        shutil.copytree(acme.home, os.path.join(group.folder, "early"))
        acme.start()
        secret = open_relationship(acme, [bolt], TITLE)
        made = acme.run("propose", "action", "-r", secret, "title=Nobody else may read this")
        bolt.sync()
        bolt.run("accept", made["ref"], "--yes")
        bolt.sync()
        check_frames(group, acme, bolt, secret)
        check_bytes_of_a_stranger(group, acme, delta, TITLE.encode(), bytes.fromhex(secret), secret.encode())
        digest = bolt.status()["digest"]

        # A stranger that dials ACME's address with the keys of somebody else.
        echo.start()
        theirs = open_relationship(echo, [delta], "Echo and Delta")
        delta.run("confirm", "ECHO", "-r", theirs, "--address", acme.address)
        error = delta.refused("sync", "-r", theirs)
        claim(error["exit"] == 1, "a stranger is not answered")
        delta.run("confirm", "ECHO", "-r", theirs, "--address", echo.address)

        # A stranger with a true membership elsewhere: it knows ACME's keys, and gets what it belongs to, nothing else.
        other = acme.run("open", "Acme and Delta", "--party", "DELTA")["relationship"]
        invite(acme, delta, other)
        delta.run("sync", "-r", other)
        known = {one["relationship"] for one in delta.run("relationships")["relationships"]}
        claim(other in known and secret not in known and len(known) == 3, "a member elsewhere sees only what it shares")
        claim(not holds(delta, TITLE.encode(), bytes.fromhex(secret), secret.encode(), b"Nobody else may read this"),
              "no byte of the other relationship is in its home")

        # Another identity that has got hold of an invitation which was used already.
        impostor = Organisation(group.folder, "BOLT", home=os.path.join(group.folder, "impostor"))
        impostor.init()
        third = acme.run("open", "Once more", "--party", "BOLT")["relationship"]
        block = acme.text("invite", "-r", third, "--party", "BOLT", "--address", acme.address)
        bolt.run("join", "-", stdin=block)
        try:
            impostor.run("join", "-", stdin=block)
            raise AssertionError("an invitation was used twice")
        except Failed as failed:
            claim(failed.code == 1, "an invitation is used once: %s" % failed.error["message"])
        claim(party_of(acme, third, "BOLT")["fingerprint"] == bolt.run("whoami")["organisation"]["fingerprint"],
              "the first stays")

        # Bytes that are no frame of ours.
        for message in (b"", b"\x01", b"\x05" * 40, bytes(range(256)) * 8, b"\x01\x01" + bytes(56), b"\x02\x01" + bytes(72)):
            answer = throw(acme, message)
            claim(TITLE.encode() not in answer and len(answer) < 200, "%d stray bytes get nothing" % len(message))
        throw(acme, hello=b"GET / HTTP/1.1\r\nHost: acme\r\n\r\n")
        with socket.create_connection(place_of(acme.address)) as pipe:  # a length beyond every limit
            pipe.sendall(SP_REQ + b"\x7f" + b"\xff" * 7 + b"x" * 4096)
        claim(acme.daemon.poll() is None, "the daemon serves on")
        again = bolt.run("sync", "-r", secret)
        claim(again["exit"] == 0 and again["partners_reached"] == 1, "and BOLT is in step with it")
        statuses = {one["relationship"]: one for one in bolt.run("status")["relationships"]}
        claim(statuses[secret]["digest"] == digest, "nothing was changed")
        acme.stop()
        echo.stop()


if __name__ == "__main__":
    main()
