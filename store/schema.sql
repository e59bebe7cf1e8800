-- Counterpart's database, schema 1. The relationship leads every primary key and unique index; no key crosses it.
-- Entries, heads, receipts and forks are the truth. The tables after "folded" are made from them and can be made anew.
-- Ids and keys are 16 or 32 raw bytes. A position is (feed ordinal << 40) + index in the party's feed.

CREATE TABLE setting (
    name TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE relationship (
    relationship BLOB NOT NULL PRIMARY KEY,
    title TEXT NOT NULL,
    added_ms INTEGER NOT NULL,
    is_open_known INTEGER NOT NULL,      -- the opening entry has been folded
    our_party INTEGER NOT NULL,
    party_count INTEGER NOT NULL,
    own_certificate BLOB NOT NULL,
    state BLOB NOT NULL                  -- lanes of the state digest
) STRICT, WITHOUT ROWID;

CREATE TABLE party (
    relationship BLOB NOT NULL,
    party INTEGER NOT NULL,              -- 0 is the opener
    code TEXT NOT NULL,
    name TEXT,
    domain TEXT,
    identity BLOB,
    certificate BLOB,                    -- the signed note its keys came in
    introduced_by INTEGER,               -- the party from whose feed its keys came
    PRIMARY KEY (relationship, party)
) STRICT, WITHOUT ROWID;

CREATE TABLE receipt_key (               -- the receipt keys a party is or was known by
    relationship BLOB NOT NULL,
    receipt_key BLOB NOT NULL,
    party INTEGER NOT NULL,
    PRIMARY KEY (relationship, receipt_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE contact (                   -- what we alone know of a party
    relationship BLOB NOT NULL,
    code TEXT NOT NULL,
    address TEXT NOT NULL,
    check_kind INTEGER NOT NULL,
    words TEXT NOT NULL,
    PRIMARY KEY (relationship, code)
) STRICT, WITHOUT ROWID;

CREATE TABLE invited (
    relationship BLOB NOT NULL,
    code TEXT NOT NULL,
    invitation BLOB NOT NULL,
    secret BLOB NOT NULL,
    expires_s INTEGER NOT NULL,
    identity BLOB,                       -- the identity that used it: a guest until we confirm it
    transport BLOB,                      -- the guest's transport key
    certificate BLOB,                    -- the signed note the guest showed
    PRIMARY KEY (relationship, code)
) STRICT, WITHOUT ROWID;

CREATE TABLE voided (                    -- invitations that a later one replaced: who holds one is told so
    relationship BLOB NOT NULL,
    invitation BLOB NOT NULL,
    code TEXT NOT NULL,
    secret BLOB NOT NULL,
    expires_s INTEGER NOT NULL,
    transport BLOB,                      -- of the guest that lost its place with it
    PRIMARY KEY (relationship, invitation)
) STRICT, WITHOUT ROWID;

CREATE TABLE joining (                   -- the last invitation we accepted
    relationship BLOB NOT NULL PRIMARY KEY,
    invitation BLOB NOT NULL,            -- its id
    text TEXT NOT NULL,                  -- while it is under way; then empty
    state INTEGER NOT NULL               -- 0 under way, 1 done, 2 voided by the opener
) STRICT, WITHOUT ROWID;

CREATE TABLE feed (
    relationship BLOB NOT NULL,
    feed INTEGER NOT NULL,               -- party + 256 * (feeds of the party before it here) + 65536 * branch
    party INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    branch INTEGER NOT NULL,
    log_key BLOB NOT NULL,
    origin TEXT NOT NULL,
    size INTEGER NOT NULL,
    edge BLOB NOT NULL,                  -- roots of the complete subtrees, largest first
    folded INTEGER NOT NULL,             -- entries below this are in the folded tables
    setup INTEGER NOT NULL,              -- leading entries that only set up
    items INTEGER NOT NULL,              -- items the folded entries created
    branch_from INTEGER NOT NULL,
    broken_at INTEGER,
    broken_why TEXT NOT NULL,
    fork_at INTEGER,
    contested_at INTEGER,                -- the first folded entry that rests on a fork
    live_at INTEGER,                     -- of a successor feed: its first entry that everybody had countersigned it before
    ends_at INTEGER,                     -- what its successor goes on from: nothing has effect from here on
    PRIMARY KEY (relationship, feed)
) STRICT, WITHOUT ROWID;

CREATE TABLE entry (
    relationship BLOB NOT NULL,
    feed INTEGER NOT NULL,
    position INTEGER NOT NULL,           -- index in the feed
    id BLOB NOT NULL,                    -- leaf hash of the header
    header BLOB NOT NULL,
    salt BLOB NOT NULL,
    body BLOB,                           -- NULL: erased, or not here
    subtrees BLOB NOT NULL,              -- hashes of the subtrees of level 1, 2 ... this leaf completed
    PRIMARY KEY (relationship, feed, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX entry_by_id ON entry (relationship, id);

CREATE TABLE head (
    relationship BLOB NOT NULL,
    feed INTEGER NOT NULL,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (relationship, feed, size)
) STRICT, WITHOUT ROWID;

CREATE TABLE receipt (
    relationship BLOB NOT NULL,
    feed INTEGER NOT NULL,
    receipt_key BLOB NOT NULL,
    size INTEGER NOT NULL,
    party INTEGER NOT NULL,              -- who signed it
    time_s INTEGER NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (relationship, feed, receipt_key, size)
) STRICT, WITHOUT ROWID;

CREATE TABLE fork (
    relationship BLOB NOT NULL,
    log_key BLOB NOT NULL,
    position INTEGER NOT NULL,           -- first differing index
    proof BLOB NOT NULL,
    PRIMARY KEY (relationship, log_key, position)
) STRICT, WITHOUT ROWID;

-- ---- folded -------------------------------------------------------------------------------------------------------

CREATE TABLE front (                     -- what a feed's author had folded of other feeds, as its entries said
    relationship BLOB NOT NULL,
    feed INTEGER NOT NULL,
    named_feed INTEGER NOT NULL,
    position INTEGER NOT NULL,           -- from this entry on
    size INTEGER NOT NULL,
    PRIMARY KEY (relationship, feed, named_feed, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE countersignature (          -- which successor feeds which parties have countersigned, and in which entry
    relationship BLOB NOT NULL,
    feed INTEGER NOT NULL,
    party INTEGER NOT NULL,
    by_feed INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (relationship, feed, party, by_feed)
) STRICT, WITHOUT ROWID;

CREATE TABLE item (
    relationship BLOB NOT NULL,
    item BLOB NOT NULL,
    noun TEXT NOT NULL,
    party INTEGER NOT NULL,
    number INTEGER NOT NULL,             -- CODE-number
    position INTEGER NOT NULL,
    feed INTEGER NOT NULL,
    entry BLOB,                          -- the entry that created it; NULL: that whose id the item bears
    revision BLOB,                       -- the agreed proposal
    statement BLOB,                      -- the newest statement
    needs_newer INTEGER NOT NULL,
    base BLOB,                           -- NULL unless it was created by a proposal of this one item, which is then
    left_at INTEGER,                     -- told by this row alone: these four columns are those of further_proposal
    sealed INTEGER,
    seal_entry BLOB,
    PRIMARY KEY (relationship, item)
) STRICT, WITHOUT ROWID;
CREATE INDEX item_by_number ON item (relationship, party, number);

CREATE TABLE further_proposal (          -- with what it changes first, and its proposer's own word on it
    relationship BLOB NOT NULL,
    proposal BLOB NOT NULL,
    party INTEGER NOT NULL,
    position INTEGER NOT NULL,
    item BLOB NOT NULL,
    base BLOB NOT NULL,                  -- 32 zero bytes: start
    left_at INTEGER,                     -- where its proposer left it
    sealed INTEGER,                      -- position of the sealing entry
    seal_entry BLOB,
    PRIMARY KEY (relationship, proposal)
) STRICT, WITHOUT ROWID;
CREATE INDEX further_proposal_by_base ON further_proposal (relationship, item, base, party, left_at);

CREATE VIEW proposal (relationship, proposal, party, position, item, base, left_at, sealed, seal_entry) AS
    SELECT relationship, item, party, position, item, base, left_at, sealed, seal_entry FROM item WHERE base IS NOT NULL
    UNION ALL SELECT relationship, proposal, party, position, item, base, left_at, sealed, seal_entry
        FROM further_proposal;

CREATE TABLE further_change (            -- the second and later changes of a bundle
    relationship BLOB NOT NULL,
    proposal BLOB NOT NULL,
    ordinal INTEGER NOT NULL,
    item BLOB NOT NULL,
    base BLOB NOT NULL,
    PRIMARY KEY (relationship, proposal, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX further_change_by_base ON further_change (relationship, item, base);

CREATE VIEW change (relationship, proposal, ordinal, item, base) AS
    SELECT relationship, item, 0, item, base FROM item WHERE base IS NOT NULL
    UNION ALL SELECT relationship, proposal, 0, item, base FROM further_proposal
    UNION ALL SELECT relationship, proposal, ordinal, item, base FROM further_change;

CREATE TABLE revision (                  -- agreed revisions, by what they build on
    relationship BLOB NOT NULL,
    item BLOB NOT NULL,
    base BLOB NOT NULL,
    proposal BLOB NOT NULL,
    party INTEGER NOT NULL,
    sealed INTEGER NOT NULL,
    PRIMARY KEY (relationship, item, base)
) STRICT, WITHOUT ROWID;

CREATE TABLE answer (                    -- FOR and NO of those who did not propose, and where FOR was left
    relationship BLOB NOT NULL,
    proposal BLOB NOT NULL,
    party INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    given INTEGER NOT NULL,
    left_at INTEGER,
    entry BLOB NOT NULL,
    PRIMARY KEY (relationship, proposal, party)
) STRICT, WITHOUT ROWID;

CREATE VIEW word (relationship, proposal, party, kind, given, left_at, entry) AS
    SELECT relationship, item, party, 1, position, left_at, item FROM item WHERE base IS NOT NULL
    UNION ALL SELECT relationship, proposal, party, 1, position, left_at, proposal FROM further_proposal
    UNION ALL SELECT relationship, proposal, party, kind, given, left_at, entry FROM answer;

CREATE TABLE answer_stand (              -- the other's proposal a party is FOR on an item and base
    relationship BLOB NOT NULL,
    party INTEGER NOT NULL,
    item BLOB NOT NULL,
    base BLOB NOT NULL,
    proposal BLOB NOT NULL,
    PRIMARY KEY (relationship, party, item, base)
) STRICT, WITHOUT ROWID;

CREATE VIEW stand (relationship, party, item, base, proposal) AS
    SELECT relationship, party, item, base, item FROM item WHERE base IS NOT NULL AND left_at IS NULL
    UNION ALL SELECT relationship, party, item, base, proposal FROM further_proposal WHERE left_at IS NULL
    UNION ALL SELECT f.relationship, p.party, f.item, f.base, f.proposal FROM further_change f
        JOIN further_proposal p ON p.relationship = f.relationship AND p.proposal = f.proposal WHERE p.left_at IS NULL
    UNION ALL SELECT relationship, party, item, base, proposal FROM answer_stand;

CREATE TABLE due (                       -- all parties are FOR; waits for its proposer to have seen gate_party's word
    relationship BLOB NOT NULL,
    proposer INTEGER NOT NULL,
    gate_party INTEGER NOT NULL,
    gate_position INTEGER NOT NULL,
    proposal BLOB NOT NULL,
    PRIMARY KEY (relationship, proposer, gate_party, gate_position, proposal)
) STRICT, WITHOUT ROWID;
CREATE INDEX due_by_proposal ON due (relationship, proposal);

CREATE TABLE statement (
    relationship BLOB NOT NULL,
    statement BLOB NOT NULL,
    item BLOB NOT NULL,
    party INTEGER NOT NULL,
    position INTEGER NOT NULL,
    past INTEGER NOT NULL,               -- how much its author had seen: the newest of an item is that with the most
    PRIMARY KEY (relationship, statement)
) STRICT, WITHOUT ROWID;
CREATE INDEX statement_by_item ON statement (relationship, item, past);

CREATE TABLE statement_word (
    relationship BLOB NOT NULL,
    statement BLOB NOT NULL,
    party INTEGER NOT NULL,
    word INTEGER NOT NULL,
    entry BLOB NOT NULL,
    PRIMARY KEY (relationship, statement, party)
) STRICT, WITHOUT ROWID;

CREATE TABLE mention (                   -- which entries concern an item they did not create, and what became of them
    relationship BLOB NOT NULL,
    item BLOB NOT NULL,                  -- 32 zero bytes: the relationship itself
    feed INTEGER NOT NULL,
    position INTEGER NOT NULL,           -- index in the feed
    effect INTEGER NOT NULL,
    PRIMARY KEY (relationship, item, feed, position)
) STRICT, WITHOUT ROWID;

CREATE VIEW touch (relationship, item, feed, position, effect) AS
    SELECT relationship, item, feed, position & 1099511627775, 0 FROM item
    UNION ALL SELECT relationship, item, feed, position, effect FROM mention;

CREATE TABLE open_offer (                -- others' offers that wait for our word, in the order they were made
    relationship BLOB NOT NULL,
    party INTEGER NOT NULL,
    position INTEGER NOT NULL,
    proposal BLOB NOT NULL,
    item BLOB NOT NULL,
    time_ms INTEGER NOT NULL,
    PRIMARY KEY (relationship, party, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE open_statement (            -- statements that wait for our word, and disputes of ours for our answer
    relationship BLOB NOT NULL,
    need INTEGER NOT NULL,
    statement BLOB NOT NULL,
    item BLOB NOT NULL,
    party INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    PRIMARY KEY (relationship, need, statement)
) STRICT, WITHOUT ROWID;
CREATE INDEX open_statement_by_item ON open_statement (relationship, item);

CREATE VIEW waiting (relationship, need, entry, item, party, time_ms) AS
    SELECT relationship, 0, proposal, item, party, time_ms FROM open_offer
    UNION ALL SELECT relationship, need, statement, item, party, time_ms FROM open_statement;
