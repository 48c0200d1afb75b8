-- The log in partitions of six hours by time: what is more than a day old is thrown away by dropping a table, not row by row. What no
-- partition was made for in time goes to the default one, so that an insert never fails for want of one, and is thrown away row by row.
-- A partition is named after its end (UTC). Positions, and the order in which events are read, stay as they were: (xid, seq).
CREATE SEQUENCE events_number;
SELECT setval('events_number', nextval(pg_get_serial_sequence('events', 'seq')));
ALTER TABLE events DROP CONSTRAINT events_pkey;
ALTER TABLE events ALTER COLUMN seq DROP IDENTITY;
ALTER TABLE events RENAME TO events_before;

CREATE TABLE events (
	xid        xid8        NOT NULL DEFAULT pg_current_xact_id(),
	seq        bigint      NOT NULL DEFAULT nextval('events_number'),
	at         timestamptz NOT NULL DEFAULT now(),
	kind       text COLLATE "C" NOT NULL,
	namespace  text COLLATE "C" NOT NULL,
	task_id    uuid        NOT NULL,
	version    bigint      NOT NULL,
	state      text COLLATE "C" NOT NULL,
	type       text COLLATE "C" NOT NULL,
	priority   smallint    NOT NULL,
	created_by text COLLATE "C",
	PRIMARY KEY (xid, seq, at)
) PARTITION BY RANGE (at);
ALTER SEQUENCE events_number OWNED BY events.seq;
CREATE TABLE events_default PARTITION OF events DEFAULT;

CREATE FUNCTION mf_slot(t timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE AS $$
	SELECT to_timestamp(floor(extract(epoch FROM t) / 21600) * 21600)
$$;

CREATE FUNCTION mf_events_name(until timestamptz) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT 'events_until_' || to_char(until AT TIME ZONE 'UTC', 'YYYYMMDDHH24')
$$;

-- The partitions of now and of the next twelve hours. Where rows of that time are in the default partition already, they stay there.
CREATE FUNCTION mf_events_ahead() RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	lo timestamptz;
	hi timestamptz;
	part text;
BEGIN
	FOR i IN 0..2 LOOP
		lo := mf_slot(now()) + i * interval '6 hours';
		hi := lo + interval '6 hours';
		part := mf_events_name(hi);
		CONTINUE WHEN to_regclass(part) IS NOT NULL OR EXISTS (SELECT FROM events_default WHERE at >= lo AND at < hi);
		BEGIN
			EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING ALL)', part);
			EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part, lo, hi);
		EXCEPTION WHEN invalid_object_definition OR check_violation THEN
			NULL; -- one of another size is there, or a row came to the default one meanwhile
		END;
	END LOOP;
	RETURN true;
END $$;

-- Drops one partition that is due; false: there is none, or a transaction is under way whose events come before its last one. The lock
-- on the log is held for a moment, and waited for no longer than others can wait behind it.
CREATE FUNCTION mf_events_drop() RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	part text;
	last record;
BEGIN
	SELECT c.relname INTO part FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
	WHERE i.inhparent = 'events'::regclass AND c.relname ~ '^events_until_[0-9]{10}$' AND c.relname <= mf_events_name(now() - interval '1 day')
	ORDER BY c.relname LIMIT 1;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	PERFORM set_config('lock_timeout', '100ms', true);
	LOCK TABLE ONLY events IN ACCESS EXCLUSIVE MODE;
	EXECUTE format('SELECT xid, seq FROM %I ORDER BY xid DESC, seq DESC LIMIT 1', part) INTO last;
	IF last.xid >= pg_snapshot_xmin(pg_current_snapshot()) THEN
		RETURN false;
	END IF;
	EXECUTE format('DROP TABLE %I', part);
	UPDATE events_gone SET xid = last.xid, seq = last.seq WHERE (xid, seq) < (last.xid, last.seq);
	RETURN true;
END $$;

-- What there is becomes the first partition; nothing is copied.
DO $$
DECLARE
	lo timestamptz;
	hi timestamptz;
BEGIN
	SELECT mf_slot(min(at)), mf_slot(greatest(max(at), now())) + interval '6 hours' INTO lo, hi FROM events_before;
	IF lo IS NULL THEN
		DROP TABLE events_before;
	ELSE
		EXECUTE format('ALTER TABLE events_before RENAME TO %I', mf_events_name(hi));
		EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', mf_events_name(hi), lo, hi);
	END IF;
END $$;
SELECT mf_events_ahead();
