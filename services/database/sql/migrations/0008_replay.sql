-- What was journalled while this server was away, and comes here in order, exactly once.

-- Epoch of the mode of the stores: writes of an older one than this are refused before their commit (MF412). A sequence, because what it
-- says is seen at once and at any isolation, whatever a transaction's snapshot is. Not drawn from, only set.
CREATE SEQUENCE mode_epoch MINVALUE 0 START 0;

-- How far the journal was applied. An entry's number means something within one journal only.
CREATE TABLE replay (
	one      boolean PRIMARY KEY DEFAULT true CHECK (one),
	journal  text COLLATE "C" NOT NULL DEFAULT '',
	position bigint  NOT NULL DEFAULT 0,
	epoch    bigint  NOT NULL DEFAULT 0,
	applied  bigint  NOT NULL DEFAULT 0,
	at       timestamptz
);
INSERT INTO replay DEFAULT VALUES;

-- Entries that could not be applied, for people to look at.
CREATE TABLE replay_refused (
	journal  text COLLATE "C" NOT NULL,
	number   bigint      NOT NULL,
	entry    json        NOT NULL,
	sqlstate text        NOT NULL,
	why      text        NOT NULL,
	at       timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (journal, number)
);

-- A replay begins (or goes on): from now on writes of older epochs are refused. Answers the position in this journal; null: a newer
-- epoch is known here.
CREATE FUNCTION mf_replay_begin(of_journal text, of_epoch bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	r bigint;
BEGIN
	UPDATE replay SET position = CASE WHEN journal = of_journal THEN position ELSE 0 END, journal = of_journal, epoch = of_epoch
	WHERE epoch <= of_epoch RETURNING position INTO r;
	IF FOUND AND (SELECT last_value FROM mode_epoch) < of_epoch THEN
		PERFORM setval('mode_epoch', of_epoch);
	END IF;
	RETURN r;
END $$;

-- Times of a row as they were acknowledged: what had landed before the journal took the same operation has its own. No event: nothing
-- happened to the task.
CREATE FUNCTION mf_replay_times(acked json) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	w bigint := (acked->>'version')::bigint;
	i uuid := (acked->>'id')::uuid;
BEGIN
	UPDATE tasks SET created_at = (acked->>'created_at')::timestamptz, updated_at = (acked->>'updated_at')::timestamptz
	WHERE id = i AND version = w
	AND (created_at, updated_at) IS DISTINCT FROM ((acked->>'created_at')::timestamptz, (acked->>'updated_at')::timestamptz);
	IF FOUND THEN
		DELETE FROM events WHERE xid = pg_current_xact_id() AND task_id = i AND version = w AND kind = 'task.updated';
	END IF;
END $$;

-- One change: {"do": "create" | "update" | "delete", "op": operation id or null, "id", "base": version before it, "state": the row after
-- it, its fields by name}. The state is whole, so what was acknowledged is what will be there.
CREATE FUNCTION mf_replay_change(c json) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	i uuid := (c->>'id')::uuid;
	s json := c->'state';
	columns text;
	n bigint;
BEGIN
	IF c->>'op' IS NOT NULL AND EXISTS (SELECT FROM operations WHERE op_id = c->>'op') THEN
		IF s IS NOT NULL AND json_typeof(s) = 'object' THEN
			PERFORM mf_replay_times(s);
		END IF;
		RETURN;
	END IF;
	IF c->>'do' = 'delete' THEN
		DELETE FROM tasks WHERE id = i AND version = (c->>'base')::bigint;
		GET DIAGNOSTICS n = ROW_COUNT;
		IF n > 0 THEN
			INSERT INTO deleted (row_id, model) VALUES (i, 'task') ON CONFLICT (row_id, model) DO UPDATE SET at = now();
		END IF;
		s := NULL;
	ELSE
		SELECT string_agg(quote_ident(k), ',') INTO columns FROM json_object_keys(s) k;
		IF c->>'do' = 'create' THEN
			IF EXISTS (SELECT FROM deleted WHERE row_id = i AND model = 'task') THEN
				PERFORM mf_refuse('MF411');
			END IF;
			EXECUTE format('INSERT INTO tasks (%1$s) SELECT %1$s FROM json_populate_record(NULL::tasks, $1) ON CONFLICT (id) DO NOTHING',
				columns) USING s;
			GET DIAGNOSTICS n = ROW_COUNT;
			IF n = 0 THEN -- an earlier try of it had landed
				PERFORM mf_replay_times(s);
				RETURN;
			END IF;
		ELSE
			EXECUTE format('UPDATE tasks SET (%1$s) = (SELECT %1$s FROM json_populate_record(NULL::tasks, $1)) WHERE id = $2 AND version = $3',
				columns) USING s, i, (c->>'base')::bigint;
			GET DIAGNOSTICS n = ROW_COUNT;
		END IF;
	END IF;
	IF n = 0 THEN
		PERFORM mf_refuse(CASE WHEN EXISTS (SELECT FROM tasks WHERE id = i) THEN 'MF409' ELSE 'MF404' END);
	END IF;
	IF c->>'op' IS NOT NULL AND (c->>'do' <> 'create' OR position('/' in c->>'op') > 0) THEN
		INSERT INTO operations (op_id, model, row_id, result)
		VALUES (c->>'op', 'task', c->>'id', (SELECT to_jsonb(t) FROM tasks t WHERE s IS NOT NULL AND t.id = i));
	END IF;
END $$;

-- Entries [{"n": number, "tx": {"op", "hash"} or absent, "changes": [...]}, ...], in order, and the new position, all in the caller's
-- transaction. An entry is done as a whole or kept in replay_refused. Answers how many were applied and refused; nothing when
-- the position is another one: then somebody was there before.
CREATE FUNCTION mf_replay(of_journal text, of_epoch bigint, after bigint, upto bigint, entries json, OUT applied bigint, OUT refused bigint)
RETURNS SETOF record
LANGUAGE plpgsql AS $$
DECLARE
	e json;
	c json;
	code text;
	words text;
BEGIN
	UPDATE replay SET position = upto, at = clock_timestamp() WHERE journal = of_journal AND epoch = of_epoch AND position = after;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	applied := 0;
	refused := 0;
	FOR e IN SELECT json_array_elements(entries) LOOP
		BEGIN
			IF e->'tx'->>'op' IS NOT NULL AND EXISTS (SELECT FROM operations WHERE op_id = e->'tx'->>'op') THEN
				IF NOT EXISTS (SELECT FROM operations WHERE op_id = e->'tx'->>'op' AND model = 'transaction' AND row_id = e->'tx'->>'hash') THEN
					PERFORM mf_refuse('MF410');
				END IF;
				CONTINUE;
			END IF;
			IF e->'tx'->>'op' IS NOT NULL THEN
				INSERT INTO operations (op_id, model, row_id) VALUES (e->'tx'->>'op', 'transaction', e->'tx'->>'hash');
			END IF;
			FOR c IN SELECT json_array_elements(e->'changes') LOOP
				PERFORM mf_replay_change(c);
			END LOOP;
			applied := applied + 1;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, words = MESSAGE_TEXT;
			IF code LIKE '40%' OR code LIKE '53%' OR code LIKE '57%' OR code LIKE '58%' OR code LIKE 'XX%' OR code LIKE '55%' THEN
				RAISE; -- of the server, not of the entry: all of it is tried again
			END IF;
			INSERT INTO replay_refused (journal, number, entry, sqlstate, why) VALUES (of_journal, (e->>'n')::bigint, e, code, words);
			refused := refused + 1;
		END;
	END LOOP;
	UPDATE replay r SET applied = r.applied + mf_replay.applied;
	RETURN NEXT;
END $$;
