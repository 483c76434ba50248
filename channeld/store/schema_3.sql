-- The mailbox, version 3: who may speak.

-- What was set by hand; without a row the configuration's dm_policy holds.
CREATE TABLE access_policy (
    worker TEXT PRIMARY KEY,
    policy TEXT NOT NULL CHECK (policy IN ('pairing', 'allowlist', 'disabled'))
) WITHOUT ROWID;

-- Who is listed, and who was denied. Without a row: a stranger.
CREATE TABLE person (
    worker    TEXT NOT NULL,
    sender_id TEXT NOT NULL,
    role      TEXT NOT NULL CHECK (role IN ('approver', 'chatter', 'denied')),
    name      TEXT NOT NULL,          -- as last seen, as the sender gives it
    chat      TEXT,                   -- his private chat, as last seen
    since     REAL NOT NULL,
    by        TEXT NOT NULL,          -- who put him there, in words
    PRIMARY KEY (worker, sender_id)
) WITHOUT ROWID;

-- Groups are opted in one by one, with all their threads.
CREATE TABLE open_group (
    chat            TEXT PRIMARY KEY,
    require_mention INTEGER NOT NULL,
    has_list        INTEGER NOT NULL, -- only the senders of its own list may speak, else all that are listed
    since           REAL NOT NULL,
    by              TEXT NOT NULL
) WITHOUT ROWID;

-- The lists of groups that have one of their own.
CREATE TABLE group_sender (
    chat      TEXT NOT NULL REFERENCES open_group (chat) ON DELETE CASCADE,
    sender_id TEXT NOT NULL,
    PRIMARY KEY (chat, sender_id)
) WITHOUT ROWID;

-- Strangers who were told a code.
CREATE TABLE pairing (
    id         TEXT PRIMARY KEY,      -- random, what people call it by
    worker     TEXT NOT NULL,
    sender_id  TEXT NOT NULL,
    name       TEXT NOT NULL,
    chat       TEXT NOT NULL,
    code       TEXT NOT NULL,
    answers    INTEGER NOT NULL,      -- how often he was told it
    asked_at   REAL NOT NULL,
    expires_at REAL NOT NULL,
    UNIQUE (worker, sender_id)
) WITHOUT ROWID;

-- The operator's one-time codes. A used one is kept until it expires: the message that bears it may come again.
CREATE TABLE owner_code (
    code       TEXT PRIMARY KEY,
    worker     TEXT NOT NULL,
    expires_at REAL NOT NULL,
    used_by    TEXT
) WITHOUT ROWID;

-- How many events were not admitted, by why.
CREATE TABLE dropped (
    worker  TEXT NOT NULL,
    code    TEXT NOT NULL,
    count   INTEGER NOT NULL,
    last_at REAL NOT NULL,
    PRIMARY KEY (worker, code)
) WITHOUT ROWID;

-- Every change, for the record.
CREATE TABLE access_change (
    id     INTEGER PRIMARY KEY,
    at     REAL NOT NULL,
    by     TEXT NOT NULL,
    what   TEXT NOT NULL,
    worker TEXT NOT NULL,
    who    TEXT NOT NULL              -- a sender's id or a chat; empty where the worker is meant
);
