-- The mailbox, version 4: turns.

-- What its sender may do; see core/access.py. What was accepted before there was an access list is the owner's.
ALTER TABLE event ADD COLUMN role TEXT NOT NULL DEFAULT 'approver';
