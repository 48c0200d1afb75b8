-- A write that changes nothing (a repeated, refused or outdated one) takes no number of a transaction, so that it has nothing to commit:
-- with a stand-by that has to confirm each commit it would wait for that, too. Else as of 0013.
CREATE OR REPLACE FUNCTION mf_task_events() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
	place xid8;
BEGIN
	IF NOT EXISTS (SELECT FROM changed) THEN
		RETURN NULL;
	END IF;
	IF TG_OP = 'INSERT' AND
	   EXISTS (SELECT FROM changed c WHERE (SELECT true FROM deleted d WHERE d.row_id = c.id AND d.model = 'task')) THEN
		RAISE EXCEPTION 'deleted meanwhile' USING ERRCODE = 'serialization_failure';
	END IF;
	place := GREATEST(pg_current_xact_id(), (pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1)::text::xid8);
	INSERT INTO events (xid, kind, namespace, task_id, version, state, type, priority, created_by)
	SELECT place, TG_ARGV[0], namespace, id, version + (TG_OP = 'DELETE')::int, state, type, priority, created_by FROM changed;
	RETURN NULL;
END $$;
