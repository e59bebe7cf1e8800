"""A node with a valid identity and no membership gets nothing, and what is not ours to read leaves the daemon serving."""

import os
import socket

from counterpart import Failed, Group, Organisation, claim, invite, open_relationship, party_of

TITLE = "Acme and Bolt in confidence"
SP_REQ = b"\x00SP\x00\x00\x30\x00\x00"  # how a REQ socket of the scalability protocols introduces itself


def address_of(organisation):
    host, port = organisation.address[len("tcp://"):].rsplit(":", 1)
    return host, int(port)


def throw(organisation, *messages, hello=SP_REQ):
    """Connects and sends messages as a REQ socket would; gives what comes back within a second."""
    got = b""
    with socket.create_connection(address_of(organisation)) as pipe:
        pipe.settimeout(1)
        try:
            pipe.sendall(hello)
            for message in messages:
                body = b"\x80\x00\x00\x01" + message
                pipe.sendall(len(body).to_bytes(8, "big") + body)
            while True:
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


def main():
    group = Group("ACME", "BOLT", "DELTA", "ECHO")
    with group as (acme, bolt, delta, echo):
        acme.start()
        secret = open_relationship(acme, [bolt], TITLE)
        made = acme.run("propose", "action", "-r", secret, "title=Nobody else may read this")
        bolt.sync()
        bolt.run("accept", made["ref"], "--yes")
        bolt.sync()
        digest = bolt.status()["digest"]

        # A stranger that dials ACME's address with the keys of somebody else.
        echo.start()
        open_relationship(echo, [delta], "Echo and Delta")
        delta.run("confirm", "ECHO", "--address", acme.address)
        error = delta.refused("sync")
        claim(error["exit"] == 1, "a stranger is not answered")
        delta.run("confirm", "ECHO", "--address", echo.address)

        # A stranger with a true membership elsewhere: it knows ACME's keys, and gets what it belongs to, nothing else.
        other = acme.run("open", "Acme and Delta", "--party", "DELTA")["relationship"]
        invite(acme, delta, other)
        delta.run("sync", "-r", other)
        known = {one["relationship"] for one in delta.run("relationships")["relationships"]}
        claim(other in known and secret not in known and len(known) == 2, "a member elsewhere sees only what it shares")
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
        with socket.create_connection(address_of(acme)) as pipe:  # a length beyond every limit
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
