-- Ids of deleted rows, kept as long as operations: a create that is repeated after its row was deleted must not
-- bring it back. Looked at by every create, so it holds nothing else.
CREATE TABLE deleted (
	row_id uuid        NOT NULL,
	model  text COLLATE "C" NOT NULL,
	at     timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (row_id, model)
);
CREATE INDEX deleted_at ON deleted USING brin (at);
