"""Two homes: pairing, an imported action log, acceptance, progress, dispute, offline work, reconnection."""

import os
import signal

from counterpart import Failed, Group, claim, open_relationship, verify, wait_for, wait_in_step

LOG = (
    "\ufeffDue,Who,Action,Remarks,Done when\r\n"
    "2026-12-18,BOLT,Install the press line,first,\"both lines run,\r\nfor a week\"\r\n"
    "2026-11-30,ACME,\"Send \"\"as built\"\" drawings\",,\r\n"
    ",,,,\r\n"
    "2027-01-15,BOLT,=cmd|' /C calc'!A0,,\r\n"
)
BAD = "Title,Due\nGood row,2026-12-01\nBad day,31.12.2026\n,2026-12-01\n"


def import_log(acme, folder):
    path = os.path.join(folder, "log.csv")
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(LOG)
    dry = acme.run("import", "action", path, "--map", "Action=title", "--map", "who=owner", "--dry-run")
    claim(dry["imported"] == 0 and not acme.items(), "a dry run writes nothing")
    done = acme.run("import", "action", path, "--map", "Action=title", "--map", "who=owner")
    claim(done["imported"] == 3 and done["skipped"] == 0, "three rows are offered")

    bad = os.path.join(folder, "bad.csv")
    with open(bad, "w", encoding="utf-8") as file:
        file.write(BAD)
    try:
        acme.run("import", "action", bad)
        raise AssertionError("bad rows were imported")
    except Failed as failed:
        claim(failed.code == 1 and '"line":3' in failed.stdout and '"line":4' in failed.stdout,
              "bad rows are told with their lines")
    claim(len(acme.items()) == 3, "and nothing was imported")
    latin = os.path.join(folder, "latin.csv")
    with open(latin, "w", encoding="latin-1") as file:
        file.write("Title\nStra\u00dfe\n")
    claim("UTF-8" in acme.refused("import", "action", latin)["message"], "another encoding is refused")


def main():
    group = Group("ACME", "BOLT")
    with group as (acme, bolt):
        acme.start()
        open_relationship(acme, [bolt])
        bolt.start()
        import_log(acme, group.folder)

        wait_for(lambda: len(bolt.items()) == 3, "the log reaches BOLT")
        first, second, third = sorted(bolt.items())
        claim(bolt.item(first)["terms"] == {} and bolt.item(first)["state"] == "offered", "offers are not agreed terms")
        inbox = bolt.run("inbox")
        claim(inbox["exit"] == 4 and len(inbox["items"]) == 4, "the inbox holds three actions and the charter")
        claim(bolt.refused("accept", first)["exit"] == 2, "no prompt without a terminal")
        for ref in (first, second):
            bolt.run("accept", ref, "--yes")
        bolt.run("decline", third, "--reason", "Not ours.")
        for side in (acme, bolt):
            wait_for(lambda: side.item(first)["state"] == "agreed" and side.item(second)["state"] == "agreed", "agreed")
            wait_for(lambda: side.item(third)["state"] == "declined", "declined")
        claim(acme.item(first)["terms"]["done_when"] == "both lines run,\nfor a week", "terms are whole")

        claim(acme.refused("state", "action", first, "percent=10")["exit"] != 0, "only the owner states progress")
        bolt.run("state", "action", first, "status=in_progress", "percent=40", "rag=green")
        wait_for(lambda: acme.item(first)["progress"].get("percent") == 40, "progress arrives")
        acme.run("dispute", first, "--reason", "One line stands still.")
        wait_for(lambda: [i for i in bolt.run("inbox")["items"] if i["needs"] == "answer the dispute"], "the dispute")
        bolt.run("state", "action", first, "percent=25", "rag=amber")
        wait_for(lambda: acme.item(first)["progress"].get("percent") == 25, "the restatement arrives")
        claim(not acme.item(first)["statement"]["words"], "words do not carry over to a restatement")
        acme.run("acknowledge", first)
        wait_for(lambda: bolt.item(first)["statement"]["state"] == "acknowledged", "acknowledged")
        wait_in_step(acme, bolt)

        acme.stop()
        bolt.stop()
        acme.run("propose", "action", first, "due=2027-01-08")
        bolt.run("propose", "action", first, "due=2027-01-20")
        claim(acme.run("status")["exit"] == 3, "out of step while apart")
        error = bolt.refused("sync")
        claim(error["exit"] == 1 and error["next"], "sync says that nobody could be reached")
        acme.start()
        bolt.start()
        wait_in_step(acme, bolt)
        for side in (acme, bolt):
            offers = [o for o in side.item(first)["offers"] if o["state"] == "offered"]
            claim({o["by"] for o in offers} == {"ACME", "BOLT"}, "competing offers stand side by side")
            claim(len(side.run("diff", first)["offers"]) == 2, "with what each would change")
        theirs = [o for o in acme.item(first)["offers"] if o["by"] == "BOLT" and o["state"] == "offered"][0]
        acme.run("accept", first, "--yes", "--expect", theirs["proposal"][:12])
        for side in (acme, bolt):
            wait_for(lambda: side.item(first)["terms"].get("due") == "2027-01-20", "BOLT's offer is agreed")
        claim(acme.item(first)["terms"]["title"] == "Install the press line", "the other terms were carried over")

        bolt.run("comment", first, "Thank you.")
        wait_for(lambda: [h for h in acme.history(first) if h["verb"] == "comment"], "the comment")
        bolt.stop(signal.SIGKILL)
        acme.run("propose", "action", second, "priority=high")
        bolt.start()
        wait_for(lambda: len(bolt.item(second)["offers"]) > 1, "work goes on after a kill")
        wait_in_step(acme, bolt)

        table = bolt.text("export", "action")
        claim("'=cmd|" in table and table.startswith("\ufeff"), "the export is safe to open")
        claim(acme.items().keys() == bolt.items().keys(), "both hold the same items")
        verify(acme, bolt)
        acme.stop()
        bolt.stop()


if __name__ == "__main__":
    main()
