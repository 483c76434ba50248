-- The mailbox, version 5: what Claude Code and channeld ask people, and what they decided.

-- Kept after it was settled, as the record of who allowed what, when and from where.
CREATE TABLE prompt (
    id          TEXT PRIMARY KEY,            -- random letters, typed by people too
    kind        TEXT NOT NULL,
    key         TEXT,                        -- what it is about; open only once
    instance    TEXT NOT NULL DEFAULT '',    -- the session process that waits for it; empty: none does
    content     BLOB NOT NULL,               -- JSON: what is shown, to whom, and what its kind needs to know
    asked_at    REAL NOT NULL,
    expires_at  REAL,
    state       TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'answered', 'elsewhere', 'expired')),
    answer      TEXT NOT NULL DEFAULT '',
    outcome     TEXT NOT NULL DEFAULT '',    -- the same in words
    by_worker   TEXT NOT NULL DEFAULT '',    -- empty: at the terminal
    by_id       TEXT NOT NULL DEFAULT '',
    by_name     TEXT NOT NULL DEFAULT '',
    settled_at  REAL,
    carried_out INTEGER NOT NULL DEFAULT 0   -- an answer is recorded before anything is done about it
) WITHOUT ROWID;
CREATE UNIQUE INDEX prompt_once ON prompt (key) WHERE state = 'open' AND key IS NOT NULL;
CREATE INDEX prompt_open ON prompt (asked_at) WHERE state = 'open' OR (state = 'answered' AND carried_out = 0);
CREATE INDEX prompt_of_instance ON prompt (instance, kind) WHERE state = 'answered';
CREATE INDEX prompt_asked ON prompt (asked_at);

-- What is settled stays so; only an answer with which nothing could be done is taken back.
CREATE TRIGGER prompt_moves BEFORE UPDATE OF state ON prompt
WHEN NEW.state <> OLD.state
 AND NOT (OLD.state = 'open' OR (OLD.state = 'answered' AND OLD.carried_out = 0 AND NEW.state = 'open'))
BEGIN SELECT RAISE(ABORT, 'illegal transition of a prompt'); END;
