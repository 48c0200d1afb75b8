-- A bound in bytes for what is kept of requests. What a program from before it calls is as it was.

-- Of all partitions, with their indexes, as the file system has them: no row is read. Who holds one for himself is not waited for.
CREATE FUNCTION mf_traces_bytes() RETURNS bigint
LANGUAGE sql SET lock_timeout = '100ms' AS $$
	SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0)::bigint FROM pg_inherits WHERE inhparent = 'traces'::regclass
$$;

-- Drops one partition when all together are larger than that, and says which: the oldest, never that of today or of tomorrow. The default
-- one has its turn by its newest row and is emptied as a table, when it has none of today or tomorrow: rows that are deleted give no room
-- back. NULL: there is room, or nothing to drop. The lock is waited for no longer than others can wait behind it.
CREATE FUNCTION mf_traces_trim(most bigint) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	today timestamp := date_trunc('day', now() AT TIME ZONE 'UTC');
	lo uuid := mf_uuid_at(today AT TIME ZONE 'UTC');
	hi uuid := mf_uuid_at((today + interval '2 days') AT TIME ZONE 'UTC');
	part text;
	newest uuid;
BEGIN
	PERFORM set_config('lock_timeout', '100ms', true);
	IF mf_traces_bytes() <= most THEN
		RETURN NULL;
	END IF;
	SELECT c.relname INTO part FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
	WHERE i.inhparent = 'traces'::regclass AND c.relname ~ '^traces_[0-9]{8}$'
	AND c.relname NOT IN (mf_traces_name(today), mf_traces_name(today + interval '1 day'))
	ORDER BY c.relname LIMIT 1;
	-- An empty one is its indexes' first pages.
	IF pg_total_relation_size('traces_default') > 131072 AND NOT EXISTS (SELECT FROM traces_default WHERE id >= lo AND id < hi) THEN
		LOCK TABLE traces_default IN ACCESS EXCLUSIVE MODE;
		SELECT id INTO newest FROM traces_default ORDER BY id DESC LIMIT 1;
		IF (part IS NULL OR newest IS NULL OR newest < mf_uuid_at((to_date(right(part, 8), 'YYYYMMDD') + 1)::timestamp AT TIME ZONE 'UTC'))
		AND NOT EXISTS (SELECT FROM traces_default WHERE id >= lo AND id < hi) THEN
			TRUNCATE traces_default;
			RETURN 'traces_default';
		END IF;
	END IF;
	IF part IS NOT NULL THEN
		EXECUTE format('DROP TABLE %I', part);
	END IF;
	RETURN part;
END $$;
