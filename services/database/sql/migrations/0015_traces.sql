-- What is kept of requests: one row each, its hops packed as proto/trace.proto has them. In partitions by day (UTC), so that what is too
-- old is dropped as a table. Ids are UUIDv7 made when the request ended: their order is that of time. What no partition was made for in
-- time goes to the default one.
CREATE TABLE traces (
	id          uuid        NOT NULL PRIMARY KEY,
	trace_id    text COLLATE "C" NOT NULL,
	at          timestamptz NOT NULL,
	duration_us bigint      NOT NULL,
	failed      boolean     NOT NULL,
	nodes       text[] COLLATE "C" NOT NULL,
	method      text COLLATE "C" NOT NULL,
	route       text COLLATE "C" NOT NULL,
	record      bytea       NOT NULL
) PARTITION BY RANGE (id);
CREATE INDEX traces_trace ON traces (trace_id, id);
CREATE INDEX traces_failed ON traces (id) WHERE failed;
CREATE TABLE traces_default PARTITION OF traces DEFAULT;

-- The least id of that moment.
CREATE FUNCTION mf_uuid_at(t timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE AS $$
	SELECT rpad(lpad(to_hex(floor(extract(epoch FROM t) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$;

-- Partitions are named after their day.
CREATE FUNCTION mf_traces_name(day timestamp) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT 'traces_' || to_char(day, 'YYYYMMDD')
$$;

-- Those of today and tomorrow. Where rows of that time are in the default partition already, they stay there.
CREATE FUNCTION mf_traces_ahead() RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	day timestamp;
	lo uuid;
	hi uuid;
	part text;
BEGIN
	FOR i IN 0..1 LOOP
		day := date_trunc('day', now() AT TIME ZONE 'UTC') + i * interval '1 day';
		lo := mf_uuid_at(day AT TIME ZONE 'UTC');
		hi := mf_uuid_at((day + interval '1 day') AT TIME ZONE 'UTC');
		part := mf_traces_name(day);
		CONTINUE WHEN to_regclass(part) IS NOT NULL OR EXISTS (SELECT FROM traces_default WHERE id >= lo AND id < hi);
		BEGIN
			EXECUTE format('CREATE TABLE %I (LIKE traces INCLUDING ALL)', part);
			EXECUTE format('ALTER TABLE traces ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part, lo, hi);
		EXCEPTION WHEN invalid_object_definition OR check_violation THEN
			NULL; -- one of another size is there, or a row came to the default one meanwhile
		END;
	END LOOP;
	RETURN true;
END $$;

-- Drops one partition of which all is too old, and a slice of the default one; false: there is none to drop. The lock is waited for no
-- longer than others can wait behind it.
CREATE FUNCTION mf_traces_drop(keep interval) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	part text;
BEGIN
	DELETE FROM traces_default WHERE id IN (SELECT id FROM traces_default WHERE id < mf_uuid_at(now() - keep) ORDER BY id LIMIT 1000);
	SELECT c.relname INTO part FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
	WHERE i.inhparent = 'traces'::regclass AND c.relname ~ '^traces_[0-9]{8}$'
	AND c.relname < mf_traces_name((now() - keep) AT TIME ZONE 'UTC')
	ORDER BY c.relname LIMIT 1;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	PERFORM set_config('lock_timeout', '100ms', true);
	EXECUTE format('DROP TABLE %I', part);
	RETURN true;
END $$;
SELECT mf_traces_ahead();

-- The trace of the request that created a task: who does its work goes on with it.
ALTER TABLE tasks ADD COLUMN trace_id text COLLATE "C";
