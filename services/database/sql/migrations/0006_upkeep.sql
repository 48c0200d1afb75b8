-- What is thrown away after its time is found by its time, oldest first, a slice at a time: that wants an order, which BRIN has not.
DROP INDEX operations_at, deleted_at, idempotency_at, events_at;
CREATE INDEX operations_at ON operations (at);
CREATE INDEX deleted_at ON deleted (at);
CREATE INDEX idempotency_at ON idempotency (created_at);
CREATE INDEX revocations_expiry ON revocations (expires_at);

-- Which log this is: numbers of transactions mean something within one cluster and one of its histories only. A dump that was read into
-- another cluster, a backup that was restored to a point in time, a stand-by that was promoted: another log, and positions of the old
-- one are told of a gap.
CREATE FUNCTION mf_log() RETURNS text
LANGUAGE sql AS $$
	SELECT left(md5(system_identifier::text || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)), 8) FROM pg_control_system()
$$;
ALTER TABLE events_gone ADD COLUMN log text COLLATE "C" NOT NULL DEFAULT '';
UPDATE events_gone SET log = mf_log();

-- Where the log in the table is another one, or has numbers that nobody has got yet (pg_resetwal), it begins anew, behind whatever a
-- reader was told of this log so far. True: so it was. Not while an older transaction is under way: what it writes would stand before
-- the beginning.
CREATE FUNCTION mf_log_begin() RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	began xid8;
BEGIN
	PERFORM FROM events_gone
	WHERE log <> mf_log() OR xid >= pg_snapshot_xmax(pg_current_snapshot())
	OR (SELECT xid FROM events ORDER BY xid DESC LIMIT 1) >= pg_snapshot_xmax(pg_current_snapshot());
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	LOCK TABLE events IN ACCESS EXCLUSIVE MODE;
	began := pg_current_xact_id();
	IF pg_snapshot_xmin(pg_current_snapshot()) < began THEN
		RAISE EXCEPTION 'an older transaction is under way' USING ERRCODE = 'serialization_failure';
	END IF;
	TRUNCATE events;
	UPDATE events_gone SET log = mf_log(), xid = began, seq = 0;
	RETURN true;
END $$;

-- A create looks for its id in `deleted` as of its beginning. A delete that another process commits while the create waits for the row
-- shows here, where the create's row is in the table already: then the create runs again and finds it.
-- The id is looked up row by row: a join would be planned for a table that was empty then.
CREATE OR REPLACE FUNCTION mf_task_events() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'INSERT' AND
	   EXISTS (SELECT FROM changed c WHERE (SELECT true FROM deleted d WHERE d.row_id = c.id AND d.model = 'task')) THEN
		RAISE EXCEPTION 'deleted meanwhile' USING ERRCODE = 'serialization_failure';
	END IF;
	INSERT INTO events (kind, namespace, task_id, version, state, type, priority, created_by)
	SELECT TG_ARGV[0], namespace, id, version + (TG_OP = 'DELETE')::int, state, type, priority, created_by FROM changed;
	RETURN NULL;
END $$;
