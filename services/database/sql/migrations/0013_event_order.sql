-- The events of one task come in the order of its versions. The number of the transaction alone does not say that: who wrote something
-- else first and then waited for the row has a lower number than the one he waited for. So an event's place is the highest number that
-- was over when it was written, or its transaction's own where that is higher. Its writer held the row by then: whoever had it before
-- was over, with the same place at most, and an earlier seq. No transaction that is under way or still to come can write a place below
-- its own number, so readers go up to the oldest of those as before, and old positions stay good.
CREATE OR REPLACE FUNCTION mf_task_events() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
	place xid8;
BEGIN
	IF TG_OP = 'INSERT' AND
	   EXISTS (SELECT FROM changed c WHERE (SELECT true FROM deleted d WHERE d.row_id = c.id AND d.model = 'task')) THEN
		RAISE EXCEPTION 'deleted meanwhile' USING ERRCODE = 'serialization_failure';
	END IF;
	place := GREATEST(pg_current_xact_id(), (pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1)::text::xid8);
	INSERT INTO events (xid, kind, namespace, task_id, version, state, type, priority, created_by)
	SELECT place, TG_ARGV[0], namespace, id, version + (TG_OP = 'DELETE')::int, state, type, priority, created_by FROM changed;
	RETURN NULL;
END $$;
