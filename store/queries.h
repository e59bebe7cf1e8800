/*
 * queries - every statement the program runs, by name. X macro: QUERY(name, sql). No include guard on purpose.
 *
 * $1, $2 ... are first used in that order in the text (database.c checks it). The relationship is always a condition.
 */
#define FEED_COLUMNS                                                                                                   \
    "feed, party, ordinal, branch, log_key, origin, size, edge, folded, setup, items, branch_from, broken_at, "        \
    "broken_why, fork_at, contested_at, live_at, ends_at"

QUERY(setting_put, "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
QUERY(setting_get, "SELECT value FROM setting WHERE name = $1")
QUERY(setting_remove, "DELETE FROM setting WHERE name = $1")

/* relationships and parties */
QUERY(relationships, "SELECT relationship FROM relationship ORDER BY added_ms, relationship")
QUERY(relationship, "SELECT title, is_open_known, our_party, party_count, state FROM relationship WHERE relationship = $1")
QUERY(relationship_party, "SELECT our_party FROM relationship WHERE relationship = $1")
QUERY(relationship_own, "SELECT own_certificate FROM relationship WHERE relationship = $1")
QUERY(relationship_add,
      "INSERT INTO relationship (relationship, title, added_ms, is_open_known, our_party, party_count, own_certificate, state)"
      " VALUES ($1, $2, $3, 0, 0, 0, $4, $5)")
QUERY(relationship_open,
      "UPDATE relationship SET title = $1, is_open_known = 1, our_party = $2, party_count = $3 WHERE relationship = $4")
QUERY(relationship_state, "UPDATE relationship SET state = $1 WHERE relationship = $2")
QUERY(party_add, "INSERT INTO party (relationship, party, code) VALUES ($1, $2, $3) ON CONFLICT (relationship, party) DO NOTHING")
QUERY(party_certify,
      "UPDATE party SET name = $1, domain = $2, identity = $3, certificate = $4, introduced_by = $5"
      " WHERE relationship = $6 AND party = $7")
QUERY(party_codes, "SELECT party, code FROM party WHERE relationship = $1 ORDER BY party")
QUERY(party_identity, "SELECT identity FROM party WHERE relationship = $1 AND party = $2")
QUERY(parties,
      "SELECT p.party, p.code, p.certificate, p.introduced_by, c.address, c.check_kind, c.words, i.certificate FROM party p"
      " LEFT JOIN contact c ON c.relationship = p.relationship AND c.code = p.code"
      " LEFT JOIN invited i ON i.relationship = p.relationship AND i.code = p.code WHERE p.relationship = $1 ORDER BY p.party")
QUERY(party_rows, "SELECT party, code, certificate, identity, name, domain FROM party WHERE relationship = $1 ORDER BY party")
QUERY(receipt_key_add,
      "INSERT INTO receipt_key (relationship, receipt_key, party) VALUES ($1, $2, $3) ON CONFLICT (relationship, receipt_key) DO NOTHING")
QUERY(receipt_key_party, "SELECT party FROM receipt_key WHERE relationship = $1 AND receipt_key = $2")
QUERY(contact_put,
      "INSERT INTO contact (relationship, code, address, check_kind, words)"
      " VALUES ($1, $2, coalesce($3, ''), coalesce($4, 0), coalesce($5, '')) ON CONFLICT (relationship, code) DO UPDATE SET"
      " address = coalesce($3, address), check_kind = coalesce($4, check_kind), words = coalesce($5, words)")
QUERY(invited_put,
      "INSERT INTO invited (relationship, code, invitation, secret, expires_s) VALUES ($1, $2, $3, $4, $5)"
      " ON CONFLICT (relationship, code) DO UPDATE SET invitation = excluded.invitation, secret = excluded.secret,"
      " expires_s = excluded.expires_s, identity = NULL, transport = NULL, certificate = NULL")
QUERY(invited_bind,
      "UPDATE invited SET identity = $1, transport = $2, certificate = $3 WHERE relationship = $4 AND code = $5")
QUERY(invited_note, "SELECT certificate FROM invited WHERE relationship = $1 AND code = $2")
QUERY(voided_add,
      "INSERT INTO voided (relationship, invitation, code, secret, expires_s, transport)"
      " SELECT relationship, invitation, code, secret, expires_s, transport FROM invited WHERE relationship = $1 AND code = $2"
      " ON CONFLICT (relationship, invitation) DO NOTHING")
QUERY(voided_find, "SELECT relationship, code, secret, expires_s, NULL FROM voided WHERE invitation = $1")
QUERY(voided_of, "SELECT DISTINCT relationship FROM voided WHERE transport = $1 ORDER BY relationship")
QUERY(invited_find, "SELECT relationship, code, secret, expires_s, identity FROM invited WHERE invitation = $1")
QUERY(invited, "SELECT relationship, code, secret, expires_s, identity FROM invited WHERE relationship = $1 ORDER BY code")
QUERY(joining_put,
      "INSERT INTO joining (relationship, invitation, text, state) VALUES ($1, $2, $3, 0)"
      " ON CONFLICT (relationship) DO UPDATE SET invitation = excluded.invitation, text = excluded.text, state = 0")
QUERY(joining_get, "SELECT text, invitation, state FROM joining WHERE relationship = $1")
QUERY(joinings, "SELECT relationship FROM joining WHERE state = 0 ORDER BY relationship")
QUERY(joining_over, "UPDATE joining SET text = '', state = $1 WHERE relationship = $2")
QUERY(forget_relationship, "DELETE FROM relationship WHERE relationship = $1")
QUERY(forget_parties, "DELETE FROM party WHERE relationship = $1")
QUERY(forget_receipt_keys, "DELETE FROM receipt_key WHERE relationship = $1")
QUERY(forget_contacts, "DELETE FROM contact WHERE relationship = $1")
QUERY(forget_joining, "DELETE FROM joining WHERE relationship = $1")
QUERY(forget_feeds, "DELETE FROM feed WHERE relationship = $1")
QUERY(forget_entries, "DELETE FROM entry WHERE relationship = $1")
QUERY(forget_heads, "DELETE FROM head WHERE relationship = $1")
QUERY(forget_receipts, "DELETE FROM receipt WHERE relationship = $1")
QUERY(forget_forks, "DELETE FROM fork WHERE relationship = $1")

/* feeds */
QUERY(feed_add,
      "INSERT INTO feed (relationship, feed, party, ordinal, branch, log_key, origin, size, edge, branch_from, folded, setup,"
      " items, broken_why) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0, 0, '')"
      " ON CONFLICT (relationship, feed) DO NOTHING")
QUERY(feeds, "SELECT " FEED_COLUMNS " FROM feed WHERE relationship = $1 ORDER BY log_key, branch")
QUERY(feed_by_key, "SELECT " FEED_COLUMNS " FROM feed WHERE relationship = $1 AND log_key = $2 AND branch = $3")
QUERY(feed_grow, "UPDATE feed SET size = $1, edge = $2 WHERE relationship = $3 AND feed = $4")
QUERY(feed_folded,
      "UPDATE feed SET folded = $1, setup = $2, items = $3, broken_at = $4, broken_why = $5, contested_at = $6,"
      " live_at = $7 WHERE relationship = $8 AND feed = $9")
QUERY(feed_fork, "UPDATE feed SET fork_at = $1 WHERE relationship = $2 AND log_key = $3")
QUERY(feeds_unfold,
      "UPDATE feed SET folded = 0, setup = 0, items = 0, broken_at = NULL, broken_why = '', contested_at = NULL,"
      " live_at = NULL WHERE relationship = $1")
QUERY(feeds_unend, "UPDATE feed SET ends_at = NULL WHERE relationship = $1")
QUERY(feed_end, "UPDATE feed SET ends_at = $1 WHERE relationship = $2 AND log_key = $3")
QUERY(feeds_of_party, "SELECT count(*), max(feed % 65536) FROM feed WHERE relationship = $1 AND party = $2")
QUERY(feeds_own, /* of every relationship, in the order of a marker */
      "SELECT f.relationship, f.log_key, f.size, f.edge FROM relationship r JOIN feed f ON f.relationship = r.relationship"
      " AND f.party = r.our_party WHERE r.is_open_known = 1 AND f.branch = 0 ORDER BY f.relationship, f.log_key")
QUERY(feed_own, /* the newest: that of the highest ordinal, and of rivals the one we knew of first */
      "SELECT f.log_key FROM relationship r JOIN feed f ON f.relationship = r.relationship AND f.party = r.our_party"
      " WHERE r.relationship = $1 AND r.is_open_known = 1 AND f.branch = 0 ORDER BY f.ordinal DESC, f.feed LIMIT 1")
QUERY(feed_trouble,
      "SELECT 1 FROM feed WHERE relationship = $1 AND (broken_at < coalesce(ends_at, broken_at + 1)"
      " OR fork_at < coalesce(ends_at, fork_at + 1)) LIMIT 1")
QUERY(entry_add,
      "INSERT INTO entry (relationship, feed, position, id, header, salt, body, subtrees) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
QUERY(entries_from,
      "SELECT position, header, salt, body FROM entry WHERE relationship = $1 AND feed = $2 AND position >= $3 ORDER BY position")
QUERY(entries_to_fold, "SELECT position, header, salt, body, id FROM entry"
                       " WHERE relationship = $1 AND feed = $2 AND position >= $3 ORDER BY position")
QUERY(entries_raw,
      "SELECT position, header, salt, body, id, subtrees FROM entry WHERE relationship = $1 AND feed = $2 ORDER BY position")
QUERY(entry_whole, "SELECT id, header, body FROM entry WHERE relationship = $1 AND feed = $2 AND position = $3")
/* Anybody can say in their own feed, byte for byte, what another has said: a header names its feed's log key in its first bytes. */
#define FROM_ENTRY_NAMED                                                                                               \
    " FROM entry n INDEXED BY entry_by_id CROSS JOIN feed f ON f.relationship = n.relationship AND f.feed = n.feed"    \
    " WHERE n.relationship = $1 AND n.id = $2"                                                                         \
    " ORDER BY instr(substr(n.header, 1, 64), f.log_key) = 0, n.feed, n.position LIMIT 1"
QUERY(entry_by_id, "SELECT n.feed, n.position" FROM_ENTRY_NAMED)
QUERY(entry_body, /* in two steps: asked in one, SQLite reads the whole relationship rather than use entry_by_id */
      "SELECT e.body, e.header FROM (SELECT n.feed, n.position" FROM_ENTRY_NAMED ") AS named JOIN entry e"
      " ON e.feed = named.feed AND e.position = named.position WHERE e.relationship = $1")
QUERY(entry_subtrees, "SELECT id, subtrees FROM entry WHERE relationship = $1 AND feed = $2 AND position = $3")
QUERY(ids_like, /* of entries and items */
      "SELECT id FROM entry WHERE relationship = $1 AND id >= $2 AND id <= $3"
      " UNION SELECT item FROM item WHERE relationship = $1 AND item >= $2 AND item <= $3 ORDER BY 1 LIMIT 4")
QUERY(head_add,
      "INSERT INTO head (relationship, feed, size, root, signature) VALUES ($1, $2, $3, $4, $5)"
      " ON CONFLICT (relationship, feed, size) DO NOTHING")
QUERY(head_upto,
      "SELECT size, root, signature FROM head WHERE relationship = $1 AND feed = $2 AND size <= $3 ORDER BY size DESC LIMIT 1")
QUERY(heads, "SELECT size, root, signature FROM head WHERE relationship = $1 AND feed = $2 ORDER BY size")
QUERY(receipt_add,
      "INSERT INTO receipt (relationship, feed, receipt_key, size, party, time_s, signature) VALUES ($1, $2, $3, $4, $5, $6, $7)")
QUERY(receipt_find,
      "SELECT receipt_key, party, size, time_s, signature FROM receipt"
      " WHERE relationship = $1 AND feed = $2 AND receipt_key = $3 AND size = $4")
/* By the few keys there are, not by the many receipts. */
QUERY(receipts_newest,
      "SELECT receipt_key, party, size, time_s, signature FROM receipt WHERE relationship = $1 AND feed = $2"
      " AND (receipt_key, size) IN (SELECT k.receipt_key, (SELECT max(n.size) FROM receipt n WHERE n.relationship = k.relationship"
      " AND n.feed = $2 AND n.receipt_key = k.receipt_key) FROM receipt_key k WHERE k.relationship = $1) ORDER BY receipt_key")
QUERY(receipts,
      "SELECT r.receipt_key, r.party, r.size, r.time_s, r.signature, k.party FROM receipt r LEFT JOIN receipt_key k"
      " ON k.relationship = r.relationship AND k.receipt_key = r.receipt_key WHERE r.relationship = $1 AND r.feed = $2"
      " ORDER BY r.size, r.receipt_key")
QUERY(fork_add, "INSERT INTO fork (relationship, log_key, position, proof) VALUES ($1, $2, $3, $4)"
                " ON CONFLICT (relationship, log_key, position) DO NOTHING")
QUERY(forks, "SELECT proof, log_key, position FROM fork WHERE relationship = $1 ORDER BY log_key, position")

/* the fold */
QUERY(countersign, "INSERT INTO countersignature (relationship, feed, party, by_feed, position) VALUES ($1, $2, $3, $4, $5)")
QUERY(countersigned, "SELECT by_feed, position FROM countersignature WHERE relationship = $1 AND feed = $2 AND party = $3")
QUERY(front_latest,
      "SELECT size FROM front WHERE relationship = $1 AND feed = $2 AND named_feed = $3 AND position < $4"
      " ORDER BY position DESC LIMIT 1")
QUERY(front_add, "INSERT INTO front (relationship, feed, named_feed, position, size) VALUES ($1, $2, $3, $4, $5)")
QUERY(item_add,
      "INSERT INTO item (relationship, item, noun, party, number, position, feed, entry, base, needs_newer)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)")
QUERY(item_place, "SELECT party, position FROM item WHERE relationship = $1 AND item = $2")
QUERY(item_reference, "SELECT party, number, noun, position FROM item WHERE relationship = $1 AND item = $2")
QUERY(item_revise, "UPDATE item SET revision = $1 WHERE relationship = $2 AND item = $3")
QUERY(item_state,
      "UPDATE item SET statement = (SELECT s.statement FROM statement s WHERE s.relationship = $1 AND s.item = $2"
      " ORDER BY s.past DESC, s.statement DESC LIMIT 1) WHERE relationship = $1 AND item = $2")
QUERY(item_statement, "SELECT statement FROM item WHERE relationship = $1 AND item = $2")
QUERY(item_newer, "UPDATE item SET needs_newer = 1 WHERE relationship = $1 AND item = $2")
QUERY(item,
      "SELECT item, noun, party, number, coalesce(entry, item), revision, statement, needs_newer FROM item"
      " WHERE relationship = $1 AND item = $2")
QUERY(items_after,
      "SELECT item, noun, party, number, coalesce(entry, item), revision, statement, needs_newer FROM item"
      " WHERE relationship = $1 AND (party, number) > ($2, $3) ORDER BY party, number LIMIT 64")
QUERY(item_by_reference, /* the party by its code; in two steps for the same reason */
      "SELECT i.item, coalesce(i.entry, i.item) FROM (SELECT n.item FROM item n WHERE n.relationship = $1"
      " AND n.party = (SELECT p.party FROM party p WHERE p.relationship = $1 AND p.code = $2) AND n.number = $3) AS named"
      " JOIN item i ON i.item = named.item WHERE i.relationship = $1")
QUERY(item_created, "SELECT feed, position FROM item WHERE relationship = $1 AND item = $2")
QUERY(item_shown,
      "SELECT p.code, i.number FROM item i JOIN party p ON p.relationship = i.relationship AND p.party = i.party"
      " WHERE i.relationship = $1 AND i.item = $2")
QUERY(item_entry, "SELECT coalesce(entry, item) FROM item WHERE relationship = $1 AND item = $2")
QUERY(items_of,
      "SELECT item FROM change WHERE relationship = $1 AND proposal = $2"
      " UNION SELECT item FROM statement WHERE relationship = $1 AND statement = $2"
      " UNION SELECT item FROM item WHERE relationship = $1 AND item = $2")
QUERY(proposal, "SELECT party, position, sealed, seal_entry FROM proposal WHERE relationship = $1 AND proposal = $2")
QUERY(proposal_add,
      "INSERT INTO further_proposal (relationship, proposal, party, position, item, base) VALUES ($1, $2, $3, $4, $5, $6)")
QUERY(proposal_leave, "UPDATE further_proposal SET left_at = $1 WHERE relationship = $2 AND proposal = $3")
QUERY(proposal_leave_created, "UPDATE item SET left_at = $1 WHERE relationship = $2 AND item = $3 AND base IS NOT NULL")
QUERY(proposal_seal, "UPDATE further_proposal SET sealed = $1, seal_entry = $2 WHERE relationship = $3 AND proposal = $4")
QUERY(proposal_seal_created,
      "UPDATE item SET sealed = $1, seal_entry = $2 WHERE relationship = $3 AND item = $4 AND base IS NOT NULL")
QUERY(change_add, "INSERT INTO further_change (relationship, proposal, ordinal, item, base) VALUES ($1, $2, $3, $4, $5)")
QUERY(changes, "SELECT item, base FROM change WHERE relationship = $1 AND proposal = $2 ORDER BY ordinal")
QUERY(change_of_item, "SELECT ordinal, base FROM change WHERE relationship = $1 AND proposal = $2 AND item = $3")
/* What was offered on two bases of an item, newest first. */
QUERY(offers,
      "SELECT p.proposal, 0, p.base, p.party, p.sealed, p.position FROM (SELECT n.proposal FROM further_proposal n"
      " WHERE n.relationship = $1 AND n.item = $2 AND n.base IN ($3, $4)) AS named"
      " JOIN further_proposal p ON p.proposal = named.proposal WHERE p.relationship = $1"
      " UNION ALL SELECT i.item, 0, i.base, i.party, i.sealed, i.position FROM item i"
      " WHERE i.relationship = $1 AND i.item = $2 AND i.base IN ($3, $4)"
      " UNION ALL SELECT f.proposal, f.ordinal, f.base, p.party, p.sealed, p.position FROM further_change f"
      " JOIN further_proposal p ON p.relationship = f.relationship AND p.proposal = f.proposal"
      " WHERE f.relationship = $1 AND f.item = $2 AND f.base IN ($3, $4) ORDER BY 6 DESC")
/* Others' proposals on (item, base) on which a party has given its word. */
QUERY(spoken_rivals,
      "SELECT r.proposal FROM change r JOIN answer a ON a.relationship = r.relationship AND a.proposal = r.proposal"
      " WHERE r.relationship = $1 AND r.item = $2 AND r.base = $3 AND a.party = $4 ORDER BY a.given DESC LIMIT 64")
QUERY(revision, "SELECT proposal, base, party, sealed FROM revision WHERE relationship = $1 AND item = $2 AND base = $3")
QUERY(revisions, "SELECT party, sealed FROM revision WHERE relationship = $1")
QUERY(revisions_of_item, "SELECT party, sealed FROM revision WHERE relationship = $1 AND item = $2")
QUERY(revision_add,
      "INSERT INTO revision (relationship, item, base, proposal, party, sealed) VALUES ($1, $2, $3, $4, $5, $6)"
      " ON CONFLICT (relationship, item, base) DO NOTHING")
QUERY(word, "SELECT kind, given, left_at FROM word WHERE relationship = $1 AND proposal = $2 AND party = $3")
QUERY(words, "SELECT party, given, entry FROM word WHERE relationship = $1 AND proposal = $2 ORDER BY party")
QUERY(word_put,
      "INSERT INTO answer (relationship, proposal, party, kind, given, left_at, entry) VALUES ($1, $2, $3, $4, $5, $6, $7)"
      " ON CONFLICT (relationship, proposal, party) DO UPDATE SET kind = excluded.kind, given = excluded.given,"
      " left_at = excluded.left_at")
QUERY(stand, "SELECT proposal FROM stand WHERE relationship = $1 AND party = $2 AND item = $3 AND base = $4 AND proposal <> $5")
QUERY(stand_put,
      "INSERT INTO answer_stand (relationship, party, item, base, proposal) VALUES ($1, $2, $3, $4, $5)"
      " ON CONFLICT (relationship, party, item, base) DO UPDATE SET proposal = excluded.proposal")
QUERY(stand_drop, "DELETE FROM answer_stand WHERE relationship = $1 AND party = $2 AND item = $3 AND base = $4")
QUERY(due,
      "SELECT proposal FROM due WHERE relationship = $1 AND proposer = $2 AND gate_party = $3 AND gate_position < $4"
      " ORDER BY gate_position, proposal LIMIT 1")
QUERY(due_after,
      "SELECT proposal, gate_party, gate_position FROM due WHERE relationship = $1 AND proposer = $2"
      " AND (gate_party, gate_position, proposal) > ($3, $4, $5) ORDER BY gate_party, gate_position, proposal LIMIT 1")
QUERY(due_put, "INSERT INTO due (relationship, proposer, gate_party, gate_position, proposal) VALUES ($1, $2, $3, $4, $5)")
QUERY(due_drop, "DELETE FROM due WHERE relationship = $1 AND proposal = $2")
QUERY(statement, "SELECT party, position, item FROM statement WHERE relationship = $1 AND statement = $2")
QUERY(statement_add,
      "INSERT INTO statement (relationship, statement, item, party, position, past) VALUES ($1, $2, $3, $4, $5, $6)")
QUERY(statement_word, "SELECT word FROM statement_word WHERE relationship = $1 AND statement = $2 AND party = $3")
QUERY(statement_disputed, /* by the first of the parties that do */
      "SELECT w.party, w.entry, s.item FROM statement_word w JOIN statement s ON s.relationship = w.relationship"
      " AND s.statement = w.statement WHERE w.relationship = $1 AND w.statement = $2 AND w.word = 2 ORDER BY w.party LIMIT 1")
QUERY(statement_words, "SELECT party, word FROM statement_word WHERE relationship = $1 AND statement = $2")
QUERY(statement_word_put,
      "INSERT INTO statement_word (relationship, statement, party, word, entry) VALUES ($1, $2, $3, $4, $5)"
      " ON CONFLICT (relationship, statement, party) DO UPDATE SET word = excluded.word, entry = excluded.entry")
QUERY(touch_add, "INSERT INTO mention (relationship, item, feed, position, effect) VALUES ($1, $2, $3, $4, $5)"
                 " ON CONFLICT (relationship, item, feed, position) DO NOTHING")
QUERY(mention_from,
      "SELECT position, effect FROM mention WHERE relationship = $1 AND item = $2 AND feed = $3 AND position >= $4"
      " ORDER BY position LIMIT 1")
QUERY(entry_effect,
      "SELECT effect FROM touch WHERE relationship = $1 AND item = $2 AND feed = $3 AND position = $4")
QUERY(waiting,
      "SELECT w.need, w.entry, w.item, w.party, w.time_ms, p.code, i.number, i.noun FROM waiting w"
      " JOIN item i ON i.relationship = w.relationship AND i.item = w.item"
      " JOIN party p ON p.relationship = i.relationship AND p.party = i.party"
      " WHERE w.relationship = $1 ORDER BY w.time_ms, w.entry")
QUERY(open_offer_put,
      "INSERT INTO open_offer (relationship, party, position, proposal, item, time_ms) VALUES ($1, $2, $3, $4, $5, $6)"
      " ON CONFLICT (relationship, party, position) DO NOTHING")
QUERY(open_offer_drop,
      "DELETE FROM open_offer WHERE relationship = $1 AND (party, position) IN"
      " (SELECT party, position FROM proposal WHERE relationship = $1 AND proposal = $2)")
QUERY(open_offers_overtaken,
      "DELETE FROM open_offer WHERE relationship = $1 AND (party, position) IN"
      " (SELECT party, position FROM proposal WHERE relationship = $1 AND proposal IN"
      " (SELECT proposal FROM change WHERE relationship = $1 AND item = $2 AND base = $3))")
QUERY(open_statement_put,
      "INSERT INTO open_statement (relationship, need, statement, item, party, time_ms) VALUES ($1, $2, $3, $4, $5, $6)"
      " ON CONFLICT (relationship, need, statement) DO NOTHING")
QUERY(open_statement_drop, "DELETE FROM open_statement WHERE relationship = $1 AND need = $2 AND statement = $3")
QUERY(open_statements_restated, "DELETE FROM open_statement WHERE relationship = $1 AND item = $2")
