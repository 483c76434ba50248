-- Named statements, each one step of a delivery. A lease is (instance, epoch): a stale or ended holder changes no row.
-- Where a condition on state stands twice, the wider one lets SQLite use a partial index.

-- name: accept_event
INSERT INTO event (seq, delivery_id, worker, event_key, chat, kind, message_id, text, detail, accepted_at, changed_at,
                   not_before, state, pushes, pushed_seq, instance, epoch, role, written_at, album)
VALUES (:seq, :delivery_id, :worker, :event_key, :chat, :kind, :message_id, :text, :detail, :now, :now,
        :not_before, :state, :pushes, :pushed_seq, :instance, :epoch, :role, :written_at, :album)
ON CONFLICT (worker, event_key) DO NOTHING;

-- name: may_claim
-- May an event that is being accepted go straight to this holder? Not past an older one of its chat, nor to a stale one,
-- nor where its chat has been bound elsewhere in the meantime.
SELECT 1 FROM instance
 WHERE id = :instance AND epoch = :epoch AND ended_at IS NULL
   AND coalesce((SELECT session FROM binding WHERE chat = :chat),
                (SELECT session FROM binding WHERE chat = substr(:chat, 1, instr(:chat, '/') - 1)), '')
       IN (SELECT value FROM json_each(:sessions))
   AND NOT EXISTS (SELECT 1 FROM event WHERE chat = :chat AND state IN ('held', 'queued') AND hold IS NULL);

-- name: claim_events
-- The oldest events that may go: none of them behind an older one of its chat that is not complete. What its sender has
-- changed before the first push goes as it is now.
UPDATE event SET state = 'pushed', pushes = pushes + 1, text = CASE pushes WHEN 0 THEN coalesce(latest, text) ELSE text END,
       pushed_seq = :pushed_seq, instance = :instance, epoch = :epoch,
       changed_at = :now
 WHERE seq IN (
    SELECT e.seq FROM routed AS e
     WHERE e.state = 'queued' AND (:seqs IS NULL OR e.seq IN (SELECT value FROM json_each(:seqs)))
       AND EXISTS (SELECT 1 FROM instance WHERE id = :instance AND epoch = :epoch AND ended_at IS NULL)
       -- First: the next looks at all that waits in a chat, which for each of thousands bound elsewhere would take minutes.
       AND e.session IN (SELECT value FROM json_each(:sessions))
       AND NOT EXISTS (SELECT 1 FROM event AS older WHERE older.chat = e.chat AND older.state = 'held'
                          AND older.state IN ('held', 'queued') AND older.hold IS NULL AND older.seq < e.seq)
       -- As too_old and of_chatters have it: what came since they were asked must wait for them.
       AND (e.written_at >= :fresh_after OR e.cleared & 1 OR e.kind NOT IN ('message', 'edited')
            OR e.worker NOT IN (SELECT value FROM json_each(:askable)))
       AND (:chatters OR e.role <> 'chatter' OR e.cleared & 2)
     ORDER BY e.seq LIMIT :limit)
RETURNING *;

-- name: withdraw_event
-- Its sender has deleted a message that nobody was given.
UPDATE event SET state = 'dropped', hold = NULL, changed_at = :now
 WHERE chat = :chat AND message_id = :message_id AND kind IN ('message', 'edited') AND worker = :worker
   AND state IN ('held', 'queued') AND pushes = 0
RETURNING *;

-- name: fold_edits
-- Edits whose message still waits and was never pushed: it goes as they left it. What waits is listed once, and not
-- looked through for each edit.
UPDATE event SET state = 'dropped', changed_at = :now
 WHERE state = 'queued' AND kind = 'edited' AND kind <> 'message'
   AND (chat, message_id, json_extract(detail, '$.sender_id')) IN (
    SELECT waits.chat, waits.message_id, json_extract(waits.detail, '$.sender_id') FROM event AS waits
     WHERE waits.state IN ('held', 'queued') AND waits.kind = 'message' AND waits.pushes = 0
       AND waits.latest IS NOT NULL);

-- name: first_of_chats
-- The event of each chat that may go next.
SELECT chat, min(seq) AS seq FROM routed WHERE state = 'queued'
   AND session IN (SELECT value FROM json_each(:sessions))
 GROUP BY chat ORDER BY seq;

-- name: wanted_as_notes
SELECT seq FROM event WHERE state = 'queued' AND asap ORDER BY seq;

-- name: confirm_events
-- The client has read these. Where its reply was faster than its receipt, the event is answered by now; not so in a turn
-- that hooks follow (:seen_only), where a reply before Claude has seen the event is about something else.
UPDATE event
   SET changed_at = :now,
       state = CASE WHEN EXISTS (SELECT 1 FROM part JOIN call ON call.id = part.call
                                  WHERE part.chat = event.chat AND part.seq > coalesce(event.pushed_seq, event.seq)
                                    AND part.kind = 'message' AND NOT :seen_only
                                    AND call.instance = :instance)
                    THEN 'answered' ELSE 'delivered' END
 WHERE state = 'pushed' AND instance = :instance AND epoch = :epoch AND seq IN (SELECT value FROM json_each(:seqs))
RETURNING *;

-- name: pushed_to
SELECT * FROM event WHERE state = 'pushed' AND state IN ('pushed', 'delivered', 'seen') AND instance = :instance ORDER BY seq;

-- name: adopt_events
-- The same process came back over a new connection.
UPDATE event SET epoch = :epoch
 WHERE state = 'pushed' AND state IN ('pushed', 'delivered', 'seen') AND instance = :instance;

-- name: repush_event
-- pushed_seq stays: it may have been answered since the first push.
UPDATE event SET pushes = pushes + 1, changed_at = :now
 WHERE seq = :seq AND state = 'pushed' AND instance = :instance AND epoch = :epoch
RETURNING *;

-- name: give_back
-- The process has ended before it confirmed these.
-- So do those that its hooks never said Claude was given, and notes that got neither an answer nor a turn of their own.
UPDATE event SET state = 'queued', instance = NULL, epoch = NULL, prompt_id = NULL, note = 0,
       again = (state = 'seen' OR again), changed_at = :now
 WHERE state IN ('pushed', 'delivered', 'seen') AND instance = :instance
   AND (state = 'pushed'
        OR (state = 'delivered' AND (SELECT hooked FROM instance WHERE id = :instance))
        OR (state = 'seen' AND note AND NOT again))
RETURNING *;

-- name: give_back_bound
-- The process is back and was never written these, and their chats have been bound to another session in the meantime.
UPDATE event SET state = 'queued', instance = NULL, epoch = NULL, changed_at = :now
 WHERE seq IN (SELECT seq FROM routed WHERE state = 'pushed' AND state IN ('pushed', 'delivered', 'seen')
                  AND instance = :instance AND delivery_id NOT IN (SELECT value FROM json_each(:written))
                  AND session NOT IN (SELECT value FROM json_each(:names)))
RETURNING *;

-- name: answer_events
-- Not what was only pushed: it might still be lost with its process, and must then be pushed again.
UPDATE event SET state = 'answered', changed_at = :now
 WHERE instance = :instance AND chat = :chat AND state IN ('pushed', 'delivered', 'seen') AND state <> 'pushed'
   AND (state = 'seen' OR NOT :seen_only)
RETURNING *;

-- name: knows_chat
-- Has this session process been given a message of this chat?
SELECT 1 FROM event WHERE chat = :chat AND instance = :instance LIMIT 1;

-- name: owes_chat
-- Has this session process been given a message of this chat that it has not answered?
SELECT 1 FROM event WHERE chat = :chat AND instance = :instance AND state IN ('pushed', 'delivered', 'seen') LIMIT 1;

-- name: chat_exists
SELECT 1 FROM event WHERE chat = :chat LIMIT 1;

-- name: find_event
SELECT * FROM event WHERE chat = :chat AND message_id = :message_id AND kind = 'message' ORDER BY seq DESC LIMIT 1;

-- name: edit_event
UPDATE event SET latest = :text, changed_at = :now WHERE seq = :seq;

-- name: retry_event
-- By a person's word: whoever was given it gets it again, flagged.
-- As it is now: its edit may have been read before it.
UPDATE event SET state = 'queued', instance = NULL, epoch = NULL, text = coalesce(latest, text), changed_at = :now,
       prompt_id = NULL, note = 0, written_at = :now, hold = NULL, asap = 0
 WHERE seq = :seq AND state IN ('delivered', 'seen', 'dropped')
RETURNING *;

-- name: drop_event
-- With what was done to it since: an edit carries the whole text.
UPDATE event SET state = 'dropped', hold = NULL, changed_at = :now
 WHERE state IN ('held', 'queued')
   AND EXISTS (SELECT 1 FROM event AS given_up WHERE given_up.seq = :seq AND given_up.state IN ('held', 'queued'))
   AND (seq = :seq OR seq IN (
        SELECT about.seq FROM event AS about JOIN event AS given_up ON given_up.seq = :seq
         WHERE about.chat = given_up.chat AND about.message_id = given_up.message_id AND about.kind <> 'message'
           AND about.kind IN ('edited', 'reaction') AND given_up.kind = 'message'))
RETURNING *;

-- name: in_work
-- What a session has read lately and not answered.
SELECT chat, kind, min(changed_at) AS since FROM event
 WHERE instance = :instance AND state IN ('delivered', 'seen') AND state IN ('pushed', 'delivered', 'seen')
   AND changed_at > :after
 GROUP BY chat, kind;

-- Turns. What a session process was given to begin a turn, or within one.

-- name: see_event
-- The hook says that Claude was given it.
UPDATE event SET state = 'seen', prompt_id = :prompt_id, note = :note, asap = 0, changed_at = :now
 WHERE instance = :instance AND delivery_id = :delivery_id AND state IN ('pushed', 'delivered')
   AND state IN ('pushed', 'delivered', 'seen')
RETURNING *;

-- name: seen_before
-- The same report again, or of an event that was answered before it came.
SELECT * FROM event WHERE instance = :instance AND delivery_id = :delivery_id AND state IN ('seen', 'answered')
   AND (prompt_id = :prompt_id OR prompt_id IS NULL);

-- name: hooks_say
UPDATE instance SET hooked = 1, permission_mode = :mode, transcript = :transcript, prompt_id = :prompt_id,
       typed = :typed, turn_since = :since, open_tools = :open_tools, ended = :ended
 WHERE id = :instance;

-- name: hooks_said
SELECT hooked, permission_mode, transcript, prompt_id, typed, turn_since, open_tools, ended
  FROM instance WHERE id = :instance;

-- name: given_in_turn
-- From the newest on: a turn that runs has given its events lately.
SELECT * FROM event WHERE instance = :instance AND prompt_id = :prompt_id AND state IN ('seen', 'answered') ORDER BY seq DESC
 LIMIT 100;

-- name: began_turn
-- The event that a turn began with, unless it has been answered: then nothing is owed to it.
SELECT * FROM event WHERE instance = :instance AND prompt_id = :prompt_id AND NOT note AND state = 'seen'
   AND state IN ('pushed', 'delivered', 'seen') ORDER BY seq LIMIT 1;

-- name: requeue_notes
-- A turn is over. What was handed over in its midst, asks for something and got no reply, gets a turn of its own, once.
UPDATE event SET state = 'queued', instance = NULL, epoch = NULL, prompt_id = NULL, note = 0, again = 1, changed_at = :now
 WHERE instance = :instance AND prompt_id = :prompt_id AND note AND NOT again AND state = 'seen'
   AND state IN ('pushed', 'delivered', 'seen') AND kind IN ('message', 'edited', 'button', 'webhook')
RETURNING *;

-- name: awaited
-- Given to a process whose hooks have not said yet that Claude was given them.
SELECT * FROM event WHERE instance = :instance AND state = 'delivered' AND state IN ('pushed', 'delivered', 'seen');

-- Messages that wait for a person's word.

-- name: too_old
-- With + it is what waits that is searched, and not all that a worker has ever received.
SELECT seq FROM routed
 WHERE state = 'queued' AND written_at < :fresh_after AND NOT cleared & 1 AND kind IN ('message', 'edited')
   AND +worker IN (SELECT value FROM json_each(:askable)) AND session IN (SELECT value FROM json_each(:sessions));

-- name: of_chatters
SELECT seq FROM routed WHERE state = 'queued' AND role = 'chatter' AND NOT cleared & 2
   AND session IN (SELECT value FROM json_each(:sessions));

-- name: hold
UPDATE event SET state = 'held', hold = :hold, changed_at = :now
 WHERE state = 'queued' AND seq IN (SELECT value FROM json_each(:seqs));

-- name: clear_held
-- cleared: a person's word on one of the two reasons; 0 where the reason has gone.
UPDATE event SET state = 'queued', hold = NULL, cleared = cleared | :cleared, changed_at = :now
 WHERE state = 'held' AND state IN ('held', 'queued') AND hold = :hold AND seq IN (SELECT value FROM json_each(:seqs))
RETURNING *;

-- name: drop_held
UPDATE event SET state = 'dropped', hold = NULL, changed_at = :now
 WHERE state = 'held' AND state IN ('held', 'queued') AND hold = :hold AND seq IN (SELECT value FROM json_each(:seqs))
RETURNING *;

-- name: held
SELECT * FROM event WHERE state = 'held' AND state IN ('held', 'queued') AND hold = :hold ORDER BY seq;

-- name: queued
-- The first of each chat, then the second of each: a chat in which thousands wait hides no other.
SELECT * FROM event WHERE seq IN (
    SELECT seq FROM (SELECT seq, row_number() OVER (PARTITION BY chat ORDER BY seq) AS nth FROM event
                      WHERE state = 'queued' AND kind IN ('message', 'edited', 'button'))
     ORDER BY nth, seq LIMIT 500);

-- name: want_as_notes
-- Everything that waits in the chat: none may pass an older one.
UPDATE event SET asap = 1 WHERE chat = :chat AND state = 'queued' AND state IN ('held', 'queued')
RETURNING *;

-- Events that are not complete: an album that may grow, files that are still to be fetched.

-- name: open_album
SELECT * FROM event WHERE worker = :worker AND album = :album AND chat = :chat AND state = 'held' AND hold IS NULL;

-- name: key_of_album
SELECT 1 FROM album_key WHERE worker = :worker AND event_key = :event_key;

-- name: put_album_key
INSERT INTO album_key (worker, event_key, seq) VALUES (:worker, :event_key, :seq);

-- name: incomplete
SELECT * FROM event WHERE state = 'held' AND hold IS NULL AND (:worker IS NULL OR worker = :worker) ORDER BY seq;

-- name: find_seq
SELECT * FROM event WHERE seq = :seq;

-- name: set_detail
UPDATE event SET text = :text, detail = :detail WHERE seq = :seq;

-- name: close_albums
-- From now on only their files are waited for.
UPDATE event SET album = NULL, not_before = :until
 WHERE state = 'held' AND hold IS NULL AND album IS NOT NULL
   AND (worker = :worker AND album NOT IN (SELECT value FROM json_each(:open)) OR not_before <= :now);

-- name: complete_event
UPDATE event SET state = 'queued', not_before = NULL, changed_at = :now
 WHERE seq = :seq AND state = 'held' AND hold IS NULL AND album IS NULL
RETURNING *;

-- name: overdue
SELECT * FROM event WHERE state = 'held' AND hold IS NULL AND album IS NULL AND not_before <= :now ORDER BY seq;

-- name: next_completion
SELECT min(not_before) FROM event WHERE state = 'held' AND hold IS NULL;

-- name: move_waiting_events
UPDATE event SET chat = :new || substr(chat, length(:old) + 1),
       detail = CAST(json_set(CAST(detail AS TEXT), '$.chat', :new || substr(chat, length(:old) + 1)) AS BLOB)
 WHERE state IN ('held', 'queued') AND (chat = :old OR substr(chat, 1, length(:old) + 1) = :old || '/');

-- name: move_waiting_parts
UPDATE part SET chat = :new || substr(chat, length(:old) + 1)
 WHERE state IN ('queued', 'sending') AND (chat = :old OR substr(chat, 1, length(:old) + 1) = :old || '/');

-- name: copy_group
INSERT OR IGNORE INTO open_group (chat, require_mention, has_list, since, by)
SELECT :new, require_mention, has_list, since, by FROM open_group WHERE chat = :old;

-- name: move_group_senders
UPDATE OR IGNORE group_sender SET chat = :new WHERE chat = :old;

-- name: bindings
SELECT chat, session FROM binding;

-- name: put_binding
INSERT OR REPLACE INTO binding (chat, session, since, by) VALUES (:chat, :session, :now, :by);

-- name: delete_binding
DELETE FROM binding WHERE chat = :chat;

-- name: copy_bindings
INSERT OR IGNORE INTO binding (chat, session, since, by)
SELECT :new || substr(chat, length(:old) + 1), session, since, by FROM binding
 WHERE chat = :old OR substr(chat, 1, length(:old) + 1) = :old || '/';

-- name: delete_moved_bindings
-- Not where a session holds something that it was given under the old id: it may come back to the queue.
DELETE FROM binding
 WHERE (chat = :old OR substr(chat, 1, length(:old) + 1) = :old || '/')
   AND NOT EXISTS (SELECT 1 FROM event WHERE state IN ('pushed', 'delivered', 'seen')
                      AND (chat = :old OR substr(chat, 1, length(:old) + 1) = :old || '/'));

-- name: put_instance
INSERT INTO instance (id, name, pid, pid_start, epoch, attached_at)
VALUES (:id, :name, :pid, :pid_start, :epoch, :now)
ON CONFLICT (id) DO UPDATE SET epoch = :epoch, name = :name, ended_at = NULL
RETURNING attached_at;

-- name: end_instance
UPDATE instance SET ended_at = :now WHERE id = :id AND ended_at IS NULL;

-- name: living_instances
SELECT id, name, pid, pid_start FROM instance WHERE ended_at IS NULL;

-- name: find_call
SELECT id FROM call WHERE instance = :instance AND tool_use_id = :tool_use_id;

-- name: accept_call
INSERT INTO call (instance, tool_use_id, chat, accepted_at) VALUES (:instance, :tool_use_id, :chat, :now)
RETURNING id;

-- name: accept_part
INSERT INTO part (seq, send_id, call, worker, chat, kind, message_id, text, detail, accepted_at, changed_at, state)
VALUES (:seq, :send_id, :call, :worker, :chat, :kind, :message_id, :text, :detail, :now, :now, 'queued')
RETURNING *;

-- name: parts_of_call
SELECT * FROM part WHERE call = :call ORDER BY seq;

-- name: claim_parts
-- Per chat the oldest part that still waits; while one is being sent, its chat waits. Calls in their order, because a
-- reply that was split has parts that are younger than a reply behind it.
UPDATE part SET state = 'sending', attempts = attempts + 1, epoch = :epoch, changed_at = :now,
       tried_at = coalesce(tried_at, :now)
 WHERE seq IN (
    SELECT seq FROM part AS first
     WHERE worker = :worker AND state IN ('queued', 'sending')
       AND NOT EXISTS (SELECT 1 FROM part AS older
                        WHERE older.worker = :worker AND older.chat = first.chat AND older.state IN ('queued', 'sending')
                          AND (older.call < first.call OR (older.call = first.call AND older.seq < first.seq))))
   AND state = 'queued' AND (not_before IS NULL OR not_before <= :now)
RETURNING *;

-- name: next_part_due
SELECT min(not_before) FROM part WHERE worker = :worker AND state = 'queued' AND state IN ('queued', 'sending')
   AND not_before IS NOT NULL;

-- name: settle_part
UPDATE part SET state = :state, platform_id = coalesce(:platform_id, platform_id), error = :error,
       not_before = :not_before, changed_at = :now,
       tried_at = CASE WHEN :state = 'queued' AND tried_at = changed_at THEN NULL ELSE tried_at END  -- nothing was sent
 WHERE seq = :seq AND state = 'sending' AND epoch = :epoch
RETURNING *;

-- name: split_part
-- What is left of a part whose other pieces are parts of their own now.
UPDATE part SET state = 'queued', text = :text, detail = :detail, not_before = NULL, changed_at = :now, tried_at = NULL
 WHERE seq = :seq AND state = 'sending' AND epoch = :epoch
RETURNING *;

-- name: put_mark
INSERT INTO mark (worker, key, value) VALUES (:worker, :key, :value)
ON CONFLICT (worker, key) DO UPDATE SET value = excluded.value;

-- name: forget_mark
DELETE FROM mark WHERE worker = :worker AND key = :key;

-- name: marks
SELECT key, value FROM mark WHERE worker = :worker;

-- name: lose_worker
-- A worker process ended: what it was sending goes to :state.
UPDATE part SET state = :state, error = :error, changed_at = :now
 WHERE worker = :worker AND state = 'sending' AND state IN ('queued', 'sending') AND epoch <> :epoch
RETURNING *;

-- name: apply_edit
UPDATE part SET text = :text, edited = 1, changed_at = :now
 WHERE chat = :chat AND platform_id = :message_id AND kind = 'message'
RETURNING *;

-- name: retry_part
UPDATE part SET state = 'queued', error = NULL, not_before = NULL, changed_at = :now, tried_at = NULL
 WHERE seq = :seq AND state IN ('failed', 'uncertain')
RETURNING *;

-- name: drop_part
UPDATE part SET state = 'dropped', error = 'it was dropped by hand', changed_at = :now
 WHERE seq = :seq AND state IN ('queued', 'failed', 'uncertain')
RETURNING *;

-- name: find_item
SELECT seq FROM timeline WHERE chat = :chat AND id = :id ORDER BY seq DESC LIMIT 1;

-- Pages of the timeline, as numbers only: from the two tables an index gives them in order, while through the view
-- SQLite would sort a whole chat for one page of it. The rows are then fetched by number.

-- name: history_after
SELECT seq FROM event WHERE chat = :chat AND kind = 'message' AND seq > :seq
UNION ALL
SELECT seq FROM part WHERE chat = :chat AND kind = 'message' AND seq > :seq
ORDER BY seq LIMIT :limit;

-- name: history_before
SELECT seq FROM event WHERE chat = :chat AND kind = 'message' AND seq < :seq
UNION ALL
SELECT seq FROM part WHERE chat = :chat AND kind = 'message' AND seq < :seq
ORDER BY seq DESC LIMIT :limit;

-- name: history_item
SELECT * FROM timeline WHERE seq = :seq;

-- name: traffic_item
SELECT * FROM traffic WHERE seq = :seq;

-- name: latest
-- Messages; of one state everything, so that what is counted can be found.
SELECT seq FROM event WHERE (kind = 'message' OR :state IS NOT NULL) AND (:chat IS NULL OR chat = :chat) AND (:state IS NULL OR state = :state)
UNION ALL
SELECT seq FROM part WHERE (kind = 'message' OR :state IS NOT NULL) AND (:chat IS NULL OR chat = :chat) AND (:state IS NULL OR state = :state)
ORDER BY seq DESC LIMIT :limit;

-- name: find_delivery
SELECT seq FROM event WHERE delivery_id = :delivery_id;

-- name: whereabouts
SELECT worker, changed_at, pushes AS attempts, (SELECT name FROM instance WHERE id = event.instance) AS session
  FROM event WHERE seq = :seq
UNION ALL
SELECT worker, changed_at, attempts,
       (SELECT name FROM instance WHERE id = (SELECT instance FROM call WHERE call.id = part.call))
  FROM part WHERE seq = :seq;

-- name: reactions
-- Claude's are parts, without a sender; those of senders are events. Left to itself SQLite would read the whole chat for
-- the sake of the order.
SELECT seq, message_id, text, NULL AS detail FROM part INDEXED BY part_about
 WHERE chat = :chat AND kind <> 'message' AND kind = 'react' AND state = 'sent'
   AND message_id IN (SELECT value FROM json_each(:ids))
UNION ALL
SELECT seq, message_id, text, detail FROM event INDEXED BY event_about
 WHERE chat = :chat AND kind <> 'message' AND kind = 'reaction' AND message_id IN (SELECT value FROM json_each(:ids))
 ORDER BY seq;

-- name: index_new
INSERT INTO search (rowid, text) SELECT seq, text FROM timeline WHERE seq > :upto;

-- name: find_text
-- Numbers only, as above: joined with the view, SQLite would write all of it into a table first.
SELECT rowid AS seq FROM search WHERE search MATCH :query ORDER BY rowid DESC;

-- name: find_anywhere
-- Without the index: words in the midst of others, and signs that are no words to it. instr knows no wildcards.
SELECT * FROM timeline
 WHERE (:chat IS NULL OR chat = :chat)
   AND NOT EXISTS (SELECT 1 FROM json_each(:words) WHERE instr(lower(timeline.text), lower(value)) = 0)
 ORDER BY seq DESC LIMIT :limit;

-- name: count_events
SELECT state, count(*) AS n FROM event GROUP BY state;

-- name: count_waiting
SELECT chat, count(*) AS n, min(accepted_at) AS since FROM event
 WHERE state IN ('held', 'queued') GROUP BY chat ORDER BY since;

-- name: count_held
-- What waits for a person's word.
SELECT count(*) AS n, min(changed_at) AS since FROM event
 WHERE state = 'held' AND state IN ('held', 'queued') AND hold IS NOT NULL;

-- name: count_parts
-- Each state with the age of its oldest, how many messages went wrong lately, and why the last of them did.
SELECT worker, state, count(*) AS n, min(accepted_at) AS since, 0 AS lately, NULL AS reason FROM part
 WHERE state IN ('queued', 'sending') GROUP BY worker, state
UNION ALL
SELECT worker, state, count(*), min(changed_at), sum(kind = 'message' AND changed_at > :after),
       (SELECT error FROM part AS last
         WHERE last.worker = part.worker AND last.state = part.state AND kind = 'message'
         ORDER BY changed_at DESC LIMIT 1)
  FROM part
 WHERE state IN ('failed', 'uncertain') GROUP BY worker, state;

-- name: put_prompt
INSERT INTO prompt (id, kind, key, instance, content, asked_at, expires_at)
VALUES (:id, :kind, :key, :instance, :content, :asked_at, :expires_at)
ON CONFLICT (key) WHERE state = 'open' AND key IS NOT NULL DO NOTHING;

-- name: change_prompt
UPDATE prompt SET content = :content WHERE id = :id;

-- name: answer_prompt
-- Of two answers the first one finds it open.
UPDATE prompt SET state = 'answered', answer = :answer, outcome = :outcome, by_worker = :by_worker, by_id = :by_id,
       by_name = :by_name, settled_at = :now
 WHERE id = :id AND state = 'open';

-- name: carried_out_prompt
-- A pairing code has done its work and is not kept.
UPDATE prompt SET outcome = coalesce(:outcome, iif(kind = 'pairing', 'Settled', outcome)), carried_out = 1,
       answer = iif(kind = 'pairing', coalesce(:outcome, 'Settled'), answer)
 WHERE id = :id AND state = 'answered';

-- name: reopen_prompt
-- Not where the same has been asked anew meanwhile.
UPDATE OR IGNORE prompt SET state = 'open', answer = '', outcome = '', by_worker = '', by_id = '', by_name = '', settled_at = NULL
 WHERE id = :id AND state = 'answered' AND carried_out = 0;

-- name: close_prompt
UPDATE prompt SET state = :state, outcome = :outcome, settled_at = :now WHERE id = :id AND state = 'open';

-- name: unsettled_prompts
SELECT * FROM prompt WHERE state = 'open' OR (state = 'answered' AND carried_out = 0) ORDER BY asked_at, id;

-- name: find_prompt
SELECT * FROM prompt WHERE id = :id;

-- name: last_settled_prompts
SELECT * FROM prompt WHERE settled_at IS NOT NULL ORDER BY settled_at DESC, id LIMIT :limit;

-- name: latest_prompts
SELECT * FROM prompt ORDER BY asked_at DESC, id LIMIT :limit;

-- name: answered_of_instance
SELECT * FROM prompt WHERE instance = :instance AND kind = :kind AND state = 'answered' AND answer = :answer;

-- name: instance_lives
SELECT 1 FROM instance WHERE id = :instance AND ended_at IS NULL;

-- name: settled_prompts
SELECT id, content FROM prompt
 WHERE state <> 'open' AND (state <> 'answered' OR carried_out) AND settled_at < :before LIMIT :limit;

-- name: delete_prompt
DELETE FROM prompt WHERE id = :id;

-- name: finished_events
-- What retention may remove: nothing that is still on its way.
SELECT seq, kind, coalesce(latest, text) AS text, detail FROM event
 WHERE state IN ('delivered', 'seen', 'answered', 'dropped') AND changed_at < :before ORDER BY seq LIMIT :limit;

-- name: finished_parts
SELECT seq, kind, text, detail FROM part
 WHERE state IN ('sent', 'failed', 'uncertain', 'dropped') AND changed_at < :before ORDER BY seq LIMIT :limit;

-- name: forget_text
INSERT INTO search (search, rowid, text) VALUES ('delete', :seq, :text);

-- name: details_with_files
SELECT detail FROM event WHERE instr(detail, '"path":') > 0
UNION ALL
SELECT detail FROM part WHERE instr(detail, '"path":') > 0
UNION ALL
SELECT content FROM prompt WHERE instr(content, '"path":') > 0;

-- name: delete_event
DELETE FROM event WHERE seq = :seq;

-- name: delete_part
DELETE FROM part WHERE seq = :seq;

-- name: delete_empty_calls
DELETE FROM call WHERE accepted_at < :before AND NOT EXISTS (SELECT 1 FROM part WHERE part.call = call.id);

-- name: delete_ended_instances
DELETE FROM instance WHERE ended_at < :before;

-- Who may speak.

-- name: access_facts
SELECT (SELECT policy FROM access_policy WHERE worker = :worker) AS policy, role, name, chat
  FROM (SELECT 1) LEFT JOIN person ON worker = :worker AND sender_id = :sender_id;

-- name: group_facts
SELECT require_mention, has_list,
       EXISTS (SELECT 1 FROM group_sender AS s WHERE s.chat = g.chat AND s.sender_id = :sender_id) AS lists_sender
  FROM open_group AS g WHERE chat = :chat;

-- name: is_own_message
SELECT 1 FROM part WHERE chat = :chat AND platform_id = :message_id;

-- name: person_seen
UPDATE person SET name = :name, chat = coalesce(:chat, chat) WHERE worker = :worker AND sender_id = :sender_id;

-- name: count_dropped
INSERT INTO dropped (worker, code, count, last_at) VALUES (:worker, :code, 1, :now)
ON CONFLICT (worker, code) DO UPDATE SET count = count + 1, last_at = :now;

-- name: find_pairing
SELECT * FROM pairing WHERE worker = :worker AND sender_id = :sender_id AND expires_at > :now;

-- name: open_pairings
SELECT * FROM pairing WHERE expires_at > :now ORDER BY asked_at, id;

-- name: count_pairings
SELECT count(*) FROM pairing WHERE worker = :worker AND expires_at > :now;

-- name: delete_expired_pairings
DELETE FROM pairing WHERE expires_at <= :now;

-- name: put_pairing
INSERT INTO pairing (id, worker, sender_id, name, chat, code, answers, asked_at, expires_at)
VALUES (:id, :worker, :sender_id, :name, :chat, :code, 1, :now, :expires_at);

-- name: pairing_answered
-- The name stays as it was before its bearer knew the code.
UPDATE pairing SET answers = answers + 1, chat = :chat WHERE id = :id;

-- name: delete_pairing
DELETE FROM pairing WHERE worker = :worker AND sender_id = :sender_id RETURNING chat, name;

-- name: owner_codes
SELECT code, used_by FROM owner_code WHERE worker = :worker AND expires_at > :now;

-- name: put_owner_code
INSERT INTO owner_code (code, worker, expires_at) VALUES (:code, :worker, :expires_at);

-- name: use_owner_code
UPDATE owner_code SET used_by = :sender_id WHERE code = :code;

-- name: delete_owner_codes
DELETE FROM owner_code WHERE expires_at <= :now OR (worker = :worker AND used_by IS NULL);

-- name: find_person
SELECT * FROM person WHERE worker = :worker AND sender_id = :sender_id;

-- name: people
SELECT * FROM person ORDER BY worker, role, since, sender_id;

-- name: put_person
INSERT INTO person (worker, sender_id, role, name, chat, since, by)
VALUES (:worker, :sender_id, :role, :name, :chat, :now, :by)
ON CONFLICT (worker, sender_id) DO UPDATE
   SET role = :role, name = CASE :name WHEN '' THEN name ELSE :name END, chat = coalesce(:chat, chat), since = :now,
       by = :by;

-- name: delete_person
DELETE FROM person WHERE worker = :worker AND sender_id = :sender_id RETURNING role;

-- name: waiting_of_worker
-- What waits of its senders, who may not speak any more, or only as somebody else; not what channeld itself says.
SELECT seq, detail FROM event WHERE state IN ('held', 'queued') AND worker = :worker AND kind <> 'send_failed';

-- name: set_event_role
UPDATE event SET role = :role WHERE seq = :seq AND role <> :role;

-- name: put_policy
INSERT OR REPLACE INTO access_policy (worker, policy) VALUES (:worker, :policy);

-- name: policies
SELECT worker, policy FROM access_policy;

-- name: put_group
INSERT INTO open_group (chat, require_mention, has_list, since, by)
VALUES (:chat, :require_mention, :has_list, :now, :by)
ON CONFLICT (chat) DO UPDATE SET require_mention = :require_mention, has_list = :has_list;

-- name: delete_group
DELETE FROM open_group WHERE chat = :chat RETURNING chat;

-- name: groups
SELECT * FROM open_group ORDER BY chat;

-- name: group_senders
SELECT chat, sender_id FROM group_sender ORDER BY chat, sender_id;

-- name: put_group_sender
INSERT OR IGNORE INTO group_sender (chat, sender_id) VALUES (:chat, :sender_id);

-- name: delete_group_senders
DELETE FROM group_sender WHERE chat = :chat;

-- name: delete_from_groups
DELETE FROM group_sender WHERE sender_id = :sender_id AND substr(chat, 1, length(:worker) + 1) = :worker || ':';

-- name: all_dropped
SELECT * FROM dropped ORDER BY worker, code;

-- name: put_change
INSERT INTO access_change (at, by, what, worker, who) VALUES (:now, :by, :what, :worker, :who);

-- name: latest_changes
SELECT * FROM access_change ORDER BY id DESC LIMIT :limit;
