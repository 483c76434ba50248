-- The mailbox, version 2: what schema.sql says, changed by this. Senders edit their messages and react to others'.

-- The sender's latest edit. text stays what was accepted, because that is what a later push repeats.
ALTER TABLE event ADD COLUMN latest TEXT;

CREATE INDEX event_about ON event (chat, message_id) WHERE kind <> 'message';
CREATE INDEX part_about ON part (chat, message_id) WHERE kind <> 'message';
-- Few rows, and `status` asks for them every second.
CREATE INDEX part_trouble ON part (worker, state, changed_at) WHERE state IN ('failed', 'uncertain');

DROP VIEW timeline;
-- Everything that goes to Claude or comes from it: messages, and what is done to them.
CREATE VIEW traffic AS
SELECT seq, 'in' AS direction, chat, kind, message_id AS id, coalesce(latest, text) AS text, accepted_at, state, detail,
       latest IS NOT NULL AS edited, NULL AS error, delivery_id, pushes
  FROM event
UNION ALL
SELECT seq, 'out', chat, kind, CASE kind WHEN 'message' THEN coalesce(platform_id, 'out-' || seq) ELSE message_id END,
       text, accepted_at, state, detail, edited, error, NULL, 0
  FROM part;

-- The messages of a chat as people see them.
CREATE VIEW timeline AS SELECT * FROM traffic WHERE kind = 'message';
