-- The mailbox, version 4: turns, receipts, and messages that wait for a person's word.

-- What its sender may do; see core/access.py. Of what was accepted before there was an access list, nobody can tell.
ALTER TABLE event ADD COLUMN role TEXT NOT NULL DEFAULT 'chatter';
-- Why a held event waits for a person's word: 'stale' its sender's, 'unattended' an approver's. Such a one holds nothing
-- else of its chat up. NULL: it is not complete yet.
ALTER TABLE event ADD COLUMN hold TEXT;
ALTER TABLE event ADD COLUMN cleared INTEGER NOT NULL DEFAULT 0; -- words that were given: 1 its sender's, 2 an approver's
-- Unix time at which it was sent, as far as that is known. What is older than this version is fresh.
ALTER TABLE event ADD COLUMN written_at REAL NOT NULL DEFAULT 1e12;
ALTER TABLE event ADD COLUMN pushed_seq INTEGER;                 -- the last seq there was when it was pushed
-- The turn in which Claude was given it, as the hook said.
ALTER TABLE event ADD COLUMN prompt_id TEXT;
ALTER TABLE event ADD COLUMN note INTEGER NOT NULL DEFAULT 0;    -- it was handed over in the midst of that turn
ALTER TABLE event ADD COLUMN again INTEGER NOT NULL DEFAULT 0;   -- and was queued once more for a turn of its own
ALTER TABLE event ADD COLUMN asap INTEGER NOT NULL DEFAULT 0;    -- its sender wants it handed over as a note

-- What the hooks of a session process last said.
ALTER TABLE instance ADD COLUMN hooked INTEGER NOT NULL DEFAULT 0;
ALTER TABLE instance ADD COLUMN permission_mode TEXT NOT NULL DEFAULT '';
ALTER TABLE instance ADD COLUMN transcript TEXT NOT NULL DEFAULT '';
ALTER TABLE instance ADD COLUMN prompt_id TEXT;                  -- of the turn that runs
ALTER TABLE instance ADD COLUMN typed INTEGER NOT NULL DEFAULT 0; -- a prompt was typed at the terminal in it
ALTER TABLE instance ADD COLUMN turn_since REAL NOT NULL DEFAULT 0;
ALTER TABLE instance ADD COLUMN ended TEXT NOT NULL DEFAULT '[]'; -- JSON list of the prompt ids of the latest turns before it
ALTER TABLE instance ADD COLUMN open_tools TEXT NOT NULL DEFAULT '[]'; -- JSON list of the tool calls that have not ended
