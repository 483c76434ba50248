-- The mailbox, version 7: what a worker remembers, and since when a reply may have gone out.

-- Small facts of a worker that outlive its process, such as how far it has read a channel.
CREATE TABLE mark (
    worker TEXT NOT NULL,
    key    TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (worker, key)
) WITHOUT ROWID;

-- When the first of its attempts began whose outcome nobody knows, the one that runs included.
ALTER TABLE part ADD COLUMN tried_at REAL;
