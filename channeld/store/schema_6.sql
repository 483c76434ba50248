-- The mailbox, version 6: events that are not complete when they are accepted, and replies of several messages.

-- Messages of the platform that are one event. Set while more of them may come.
ALTER TABLE event ADD COLUMN album TEXT;
CREATE INDEX event_incomplete ON event (worker, album) WHERE state = 'held' AND hold IS NULL;

-- The keys of messages that have become part of another one's event.
CREATE TABLE album_key (
    worker    TEXT NOT NULL,
    event_key TEXT NOT NULL,
    seq       INTEGER NOT NULL REFERENCES event (seq) ON DELETE CASCADE,
    PRIMARY KEY (worker, event_key)
) WITHOUT ROWID;
CREATE INDEX album_key_of ON album_key (seq);
