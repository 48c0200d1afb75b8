-- The store of the logs: psql -d logs -f schema.sql, once. A line is kept as it was written; what is searched by stands in
-- columns that PostgreSQL fills itself. The key makes a line that comes a second time the same one.
CREATE TABLE metafed_log (
	line       jsonb NOT NULL,
	node       text GENERATED ALWAYS AS (line->>'node') STORED NOT NULL,
	generation bigint GENERATED ALWAYS AS ((line->>'generation')::bigint) STORED NOT NULL,
	seq        bigint GENERATED ALWAYS AS ((line->>'seq')::bigint) STORED NOT NULL,
	time       text COLLATE "C" GENERATED ALWAYS AS (line->>'time') STORED NOT NULL,	-- RFC 3339, UTC, always as long: sorts as time
	level      text GENERATED ALWAYS AS (line->>'level') STORED NOT NULL,
	event      text GENERATED ALWAYS AS (line->>'event') STORED NOT NULL,
	trace      text GENERATED ALWAYS AS (line->>'trace') STORED,
	PRIMARY KEY (node, generation, seq)
);
CREATE INDEX metafed_log_time ON metafed_log (time);
CREATE INDEX metafed_log_trace ON metafed_log (trace) WHERE trace IS NOT NULL;
CREATE INDEX metafed_log_trouble ON metafed_log (level, time) WHERE level IN ('warn', 'error', 'fatal');

-- Numbers that are missing: lines that a full disk did not take, or files that were dropped before they were read.
CREATE VIEW metafed_log_gaps AS
	SELECT node, generation, previous + 1 AS from_seq, seq - 1 AS to_seq
	FROM (SELECT node, generation, seq, lag(seq, 1, 0::bigint) OVER (PARTITION BY node, generation ORDER BY seq) AS previous FROM metafed_log) n
	WHERE seq > previous + 1;

-- What JSON, or the columns, can't take: it must not keep those behind it waiting.
CREATE TABLE metafed_log_bad (
	at   timestamptz NOT NULL DEFAULT now(),
	why  text NOT NULL,
	line text NOT NULL
);

-- pg_temp last: unsaid it is first, and a temporary table of the caller's would stand in for ours, with triggers that run as the owner.
DO $$ BEGIN PERFORM set_config('search_path', quote_ident(current_schema) || ', pg_temp', false); END $$;
CREATE PROCEDURE metafed_log_take(one text) LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
	INSERT INTO metafed_log (line) VALUES (one::jsonb) ON CONFLICT DO NOTHING;
EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded THEN
	INSERT INTO metafed_log_bad (why, line) VALUES (SQLERRM, one);
END $$;

-- Who ships only adds.
REVOKE ALL ON PROCEDURE metafed_log_take FROM PUBLIC;
DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'metafed_logs') THEN CREATE ROLE metafed_logs LOGIN; END IF;
END $$;
GRANT EXECUTE ON PROCEDURE metafed_log_take TO metafed_logs;
