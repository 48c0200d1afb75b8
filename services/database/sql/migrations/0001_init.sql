-- The models of services/database/sql/models.c, and the operations that were done to them.
-- Names and keys compare by bytes (COLLATE "C"): cheaper, and the same on every system.
-- A migration is never changed once it was released: its checksum is kept in schema_migrations.

CREATE TABLE tasks (
	id          uuid        PRIMARY KEY,
	namespace   text COLLATE "C" NOT NULL,
	title       text        NOT NULL,
	description text,
	type        text COLLATE "C" NOT NULL,
	priority    smallint    NOT NULL CHECK (priority BETWEEN 1 AND 4),
	state       text COLLATE "C" NOT NULL,
	labels      jsonb       NOT NULL DEFAULT '{}',
	payload     json,
	created_by  text COLLATE "C",
	version     bigint      NOT NULL DEFAULT 1,
	created_at  timestamptz NOT NULL,
	updated_at  timestamptz NOT NULL,
	CONSTRAINT tasks_size CHECK (pg_column_size(labels) <= 262144 AND pg_column_size(payload) <= 1048576)
);
CREATE INDEX tasks_labels ON tasks USING gin (labels) WHERE labels <> '{}';
CREATE INDEX tasks_state ON tasks (namespace, state, id);

CREATE TABLE users (
	id            uuid        PRIMARY KEY,
	username      text COLLATE "C" NOT NULL UNIQUE,
	password_hash text,
	roles         jsonb       NOT NULL DEFAULT '[]',
	disabled      boolean     NOT NULL DEFAULT false,
	version       bigint      NOT NULL DEFAULT 1,
	created_at    timestamptz NOT NULL,
	updated_at    timestamptz NOT NULL
);

CREATE TABLE refresh_tokens (
	id         uuid        PRIMARY KEY,
	family     uuid        NOT NULL,
	user_id    uuid        NOT NULL,
	token_hash text COLLATE "C" NOT NULL UNIQUE,
	expires_at timestamptz NOT NULL,
	used_at    timestamptz,
	revoked    boolean     NOT NULL DEFAULT false,
	version    bigint      NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL
);
CREATE INDEX refresh_tokens_family ON refresh_tokens (family, id);
CREATE INDEX refresh_tokens_user ON refresh_tokens (user_id, id);

CREATE TABLE roles (
	id          text COLLATE "C" PRIMARY KEY,
	permissions jsonb       NOT NULL DEFAULT '[]',
	inherits    jsonb       NOT NULL DEFAULT '[]',
	version     bigint      NOT NULL DEFAULT 1,
	created_at  timestamptz NOT NULL,
	updated_at  timestamptz NOT NULL
);

CREATE TABLE revocations (
	id         uuid        PRIMARY KEY,
	kind       text COLLATE "C" NOT NULL,
	value      text COLLATE "C" NOT NULL,
	expires_at timestamptz,
	version    bigint      NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL,
	UNIQUE (kind, value)
);

-- Updates and deletes by operation id, written in the transaction of the effect: a retry finds its result here.
CREATE TABLE operations (
	op_id  text COLLATE "C" PRIMARY KEY,
	model  text        NOT NULL,
	row_id text COLLATE "C" NOT NULL,
	result jsonb,
	at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX operations_at ON operations USING brin (at);

-- RFC 7396.
CREATE FUNCTION mf_merge_patch(target jsonb, patch jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	k text;
	v jsonb;
	r jsonb;
BEGIN
	IF jsonb_typeof(patch) IS DISTINCT FROM 'object' THEN
		RETURN patch;
	END IF;
	r := CASE WHEN jsonb_typeof(target) = 'object' THEN target ELSE '{}'::jsonb END;
	FOR k, v IN SELECT * FROM jsonb_each(patch) LOOP
		IF jsonb_typeof(v) = 'null' THEN
			r := r - k;
		ELSE
			r := r || jsonb_build_object(k, mf_merge_patch(r -> k, v));
		END IF;
	END LOOP;
	RETURN r;
END $$;

-- Ends a transaction from inside a statement, with a code of ours: MF404 missing, MF409 another version.
CREATE FUNCTION mf_refuse(code text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'refused' USING ERRCODE = code;
END $$;
