-- What happened to tasks, in the order in which it became visible: written by triggers, so in the transaction of the effect, whoever
-- makes it. A reader takes what is after its position (xid, seq) and older than every transaction still under way: numbers drawn
-- inside transactions become visible out of order, transactions that are all over do not.
CREATE TABLE events (
	xid        xid8        NOT NULL DEFAULT pg_current_xact_id(),
	seq        bigint      GENERATED ALWAYS AS IDENTITY,
	at         timestamptz NOT NULL DEFAULT now(),
	kind       text COLLATE "C" NOT NULL,
	namespace  text COLLATE "C" NOT NULL,
	task_id    uuid        NOT NULL,
	version    bigint      NOT NULL,
	state      text COLLATE "C" NOT NULL,
	type       text COLLATE "C" NOT NULL,
	priority   smallint    NOT NULL,
	created_by text COLLATE "C",
	PRIMARY KEY (xid, seq)
);
CREATE INDEX events_at ON events USING brin (at);

-- The newest event that was thrown away: whoever asks from before it is told that there is a gap.
CREATE TABLE events_gone (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	xid xid8    NOT NULL DEFAULT '0',
	seq bigint  NOT NULL DEFAULT 0
);
INSERT INTO events_gone DEFAULT VALUES;

-- A delete's version is the one after the last.
CREATE FUNCTION mf_task_events() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO events (kind, namespace, task_id, version, state, type, priority, created_by)
	SELECT TG_ARGV[0], namespace, id, version + (TG_OP = 'DELETE')::int, state, type, priority, created_by FROM changed;
	RETURN NULL;
END $$;
CREATE TRIGGER tasks_created AFTER INSERT ON tasks REFERENCING NEW TABLE AS changed
	FOR EACH STATEMENT EXECUTE FUNCTION mf_task_events('task.created');
CREATE TRIGGER tasks_updated AFTER UPDATE ON tasks REFERENCING NEW TABLE AS changed
	FOR EACH STATEMENT EXECUTE FUNCTION mf_task_events('task.updated');
CREATE TRIGGER tasks_deleted AFTER DELETE ON tasks REFERENCING OLD TABLE AS changed
	FOR EACH STATEMENT EXECUTE FUNCTION mf_task_events('task.deleted');
