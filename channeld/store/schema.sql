-- The mailbox, version 1. The invariants live here; the code around it only asks.
--
-- One counter, seq, orders both directions: an event and a part never share a number, and a larger one came later.

CREATE TABLE counter (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

-- Filled from channeld.core.delivery whenever the file is opened; before is '' for the states a row may begin in.
CREATE TABLE transition (
    direction TEXT NOT NULL CHECK (direction IN ('in', 'out')),
    before    TEXT NOT NULL,
    after     TEXT NOT NULL,
    PRIMARY KEY (direction, before, after)
) WITHOUT ROWID;

-- Session processes. A pushed event belongs to one, and goes back to the queue when that process has ended.
CREATE TABLE instance (
    id          TEXT PRIMARY KEY,     -- random, made by the shim process
    name        TEXT NOT NULL,
    pid         INTEGER NOT NULL,
    pid_start   INTEGER NOT NULL,     -- ticks since boot: tells a process from a later one of the same pid
    epoch       INTEGER NOT NULL,     -- grows with every connection; an older one cannot settle anything
    attached_at REAL NOT NULL,
    ended_at    REAL
) WITHOUT ROWID;

CREATE TABLE event (
    seq         INTEGER PRIMARY KEY,
    delivery_id TEXT NOT NULL,        -- 64 random bits, the same in every push of this event; no index: never looked up
    worker      TEXT NOT NULL,
    event_key   TEXT NOT NULL,
    chat        TEXT NOT NULL,
    kind        TEXT NOT NULL,
    message_id  TEXT NOT NULL,
    text        TEXT NOT NULL,
    detail      BLOB NOT NULL,        -- JSON of the Inbound without its text
    accepted_at REAL NOT NULL,
    changed_at  REAL NOT NULL,
    not_before  REAL,                 -- a held event is complete, or goes as it is, at this time
    state       TEXT NOT NULL,
    pushes      INTEGER NOT NULL DEFAULT 0,
    instance    TEXT,                 -- the session process it was last pushed to
    epoch       INTEGER,
    UNIQUE (worker, event_key)        -- each platform event enters once
);
CREATE INDEX event_of_chat ON event (chat, seq);
CREATE INDEX event_waiting ON event (chat, seq) WHERE state IN ('held', 'queued');
CREATE INDEX event_queued ON event (seq) WHERE state = 'queued';
CREATE INDEX event_unanswered ON event (instance, chat) WHERE state IN ('pushed', 'delivered', 'seen');

CREATE TRIGGER event_begins BEFORE INSERT ON event
WHEN NOT EXISTS (SELECT 1 FROM transition WHERE direction = 'in' AND before = '' AND after = NEW.state)
BEGIN SELECT RAISE(ABORT, 'illegal transition of an event'); END;

CREATE TRIGGER event_moves BEFORE UPDATE OF state ON event
WHEN NEW.state <> OLD.state
 AND NOT EXISTS (SELECT 1 FROM transition WHERE direction = 'in' AND before = OLD.state AND after = NEW.state)
BEGIN SELECT RAISE(ABORT, 'illegal transition of an event'); END;

-- One tool call that sends something. The same call sent again is the same row.
CREATE TABLE call (
    id          INTEGER PRIMARY KEY,
    instance    TEXT NOT NULL,
    tool_use_id TEXT,
    chat        TEXT NOT NULL,
    accepted_at REAL NOT NULL
);
CREATE UNIQUE INDEX call_once ON call (instance, tool_use_id) WHERE tool_use_id IS NOT NULL;

CREATE TABLE part (
    seq         INTEGER PRIMARY KEY,
    send_id     TEXT NOT NULL UNIQUE, -- random; the same in every attempt
    call        INTEGER NOT NULL REFERENCES call (id),
    worker      TEXT NOT NULL,
    chat        TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('message', 'edit', 'react')),
    message_id  TEXT,                 -- the message that an edit or a reaction is about
    text        TEXT NOT NULL,
    detail      BLOB NOT NULL,        -- JSON of the rest: format, reply_to, files, buttons
    accepted_at REAL NOT NULL,
    changed_at  REAL NOT NULL,
    not_before  REAL,
    state       TEXT NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    epoch       INTEGER,              -- the worker process that was told to send it
    platform_id TEXT,
    error       TEXT,
    edited      INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX part_of_chat ON part (chat, seq);
CREATE INDEX part_of_call ON part (call);
CREATE INDEX part_waiting ON part (worker, chat, seq) WHERE state IN ('queued', 'sending');

CREATE TRIGGER part_begins BEFORE INSERT ON part
WHEN NOT EXISTS (SELECT 1 FROM transition WHERE direction = 'out' AND before = '' AND after = NEW.state)
BEGIN SELECT RAISE(ABORT, 'illegal transition of a part'); END;

CREATE TRIGGER part_moves BEFORE UPDATE OF state ON part
WHEN NEW.state <> OLD.state
 AND NOT EXISTS (SELECT 1 FROM transition WHERE direction = 'out' AND before = OLD.state AND after = NEW.state)
BEGIN SELECT RAISE(ABORT, 'illegal transition of a part'); END;

-- The messages of a chat as people see them, both directions.
CREATE VIEW timeline AS
SELECT seq, 'in' AS direction, chat, message_id AS id, text, accepted_at, state, detail, 0 AS edited, NULL AS error,
       delivery_id, pushes
  FROM event WHERE kind = 'message'
UNION ALL
SELECT seq, 'out', chat, coalesce(platform_id, 'out-' || seq), text, accepted_at, state, detail, edited, error,
       NULL, 0
  FROM part WHERE kind = 'message';

-- Full text of the timeline. Filled when somebody searches, not while messages arrive: counter 'indexed' is how far.
CREATE VIRTUAL TABLE search USING fts5 (
    text, content = 'timeline', content_rowid = 'seq', tokenize = 'unicode61 remove_diacritics 2'
);
