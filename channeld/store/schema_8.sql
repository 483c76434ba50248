-- The mailbox, version 8: which session the messages of a chat go to.

-- Of a group with all its threads, unless one has a row of its own. Chats without a row go where the configuration says.
CREATE TABLE binding (
    chat    TEXT PRIMARY KEY,
    session TEXT NOT NULL,            -- the name that it must have
    since   REAL NOT NULL,
    by      TEXT NOT NULL             -- "terminal", or the worker and id of the approver who said so
) WITHOUT ROWID;

-- Events with the name to which their chat is bound, '' for none.
CREATE VIEW routed AS
SELECT event.*,
       coalesce((SELECT session FROM binding WHERE chat = event.chat),
                (SELECT session FROM binding WHERE chat = substr(event.chat, 1, instr(event.chat, '/') - 1)), '') AS session
  FROM event;
