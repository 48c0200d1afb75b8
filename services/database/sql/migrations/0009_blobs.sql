-- Large values: bytes under the name of their SHA-256, once in each namespace. An upload brings them in pieces, each a row of its own;
-- what is complete becomes a blob, which has the pieces of the upload that was the first to bring them.

CREATE TABLE blobs (
	namespace  text COLLATE "C" NOT NULL,
	digest     text COLLATE "C" NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
	content    uuid        NOT NULL UNIQUE,
	size       bigint      NOT NULL,
	media_type text,
	created_by text COLLATE "C",
	created_at timestamptz NOT NULL DEFAULT now(),
	used_at    timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (namespace, digest)
);
CREATE INDEX blobs_used ON blobs (used_at);

-- state: of the SHA-256 over what is there, so that an upload goes on after a crash of whoever computed it.
CREATE TABLE blob_uploads (
	id         uuid        PRIMARY KEY,
	namespace  text COLLATE "C" NOT NULL,
	length     bigint,
	size       bigint      NOT NULL DEFAULT 0,
	media_type text,
	metadata   text,
	expected   text COLLATE "C",
	created_by text COLLATE "C",
	state      bytea       NOT NULL,
	digest     text COLLATE "C",
	created_at timestamptz NOT NULL DEFAULT now(),
	touched_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX blob_uploads_touched ON blob_uploads (touched_at);
CREATE INDEX blob_uploads_open ON blob_uploads (created_by) WHERE digest IS NULL;

CREATE TABLE blob_chunks (
	content uuid   NOT NULL,
	at      bigint NOT NULL,
	bytes   bytea  NOT NULL,
	PRIMARY KEY (content, at)
);
ALTER TABLE blob_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- Contents that nobody refers to any more; their pieces go a slice at a time.
CREATE TABLE blob_garbage (
	content uuid        PRIMARY KEY,
	at      timestamptz NOT NULL DEFAULT now()
);

-- The sum is what the blobs take. Rows are only added, and folded now and then: a single counter would make all commits wait for each
-- other.
CREATE TABLE blob_ledger (
	id    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	delta bigint      NOT NULL,
	at    timestamptz NOT NULL DEFAULT now()
);

-- A task refers to a blob by a payload that begins with the member $blob. The start of the text decides first: no payload is parsed
-- for nothing.
CREATE INDEX tasks_blob ON tasks (namespace, (payload->'$blob'->>'id')) WHERE left(payload::text, 8) = '{"$blob"';

CREATE FUNCTION mf_blob_referred(ns text, sum text) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM tasks WHERE namespace = ns AND left(payload::text, 8) = '{"$blob"'
	AND payload->'$blob'->>'id' = 'sha256:' || sum)
$$;

-- Bytes that are there under another upload already are not kept twice.
CREATE FUNCTION mf_blob_finish(upload uuid, at_state bytea, sum text) RETURNS SETOF blobs
LANGUAGE plpgsql AS $$
DECLARE
	u blob_uploads;
	b blobs;
BEGIN
	UPDATE blob_uploads SET digest = sum, touched_at = now()
	WHERE id = upload AND state = at_state AND digest IS NULL RETURNING * INTO u;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	INSERT INTO blobs (namespace, digest, content, size, media_type, created_by)
	VALUES (u.namespace, sum, u.id, u.size, u.media_type, u.created_by)
	ON CONFLICT (namespace, digest) DO UPDATE SET used_at = now() RETURNING * INTO b;
	IF b.content = u.id THEN
		INSERT INTO blob_ledger (delta) VALUES (u.size);
	ELSE
		INSERT INTO blob_garbage (content) VALUES (u.id);
	END IF;
	RETURN NEXT b;
END $$;

-- What is small and comes at once, within another transaction: 1 row when it was not there.
CREATE FUNCTION mf_blob_put(ns text, sum text, id uuid, data bytea, type text, by text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	b blobs;
BEGIN
	INSERT INTO blobs (namespace, digest, content, size, media_type, created_by)
	VALUES (ns, sum, id, length(data), type, by)
	ON CONFLICT (namespace, digest) DO UPDATE SET used_at = now() RETURNING * INTO b;
	IF b.content = id THEN
		INSERT INTO blob_chunks (content, at, bytes) VALUES (id, 0, data) ON CONFLICT DO NOTHING;
		IF FOUND THEN
			INSERT INTO blob_ledger (delta) VALUES (length(data));
		END IF;
	END IF;
END $$;
