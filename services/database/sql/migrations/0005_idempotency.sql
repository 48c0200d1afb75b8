-- Requests with an Idempotency-Key: who has claimed the key until when (ms since 1970), under which operation id, and the answer.
CREATE TABLE idempotency (
	id            uuid        PRIMARY KEY,
	fingerprint   text COLLATE "C" NOT NULL,
	operation_id  uuid        NOT NULL,
	claimed_until bigint      NOT NULL,
	response      json,
	version       bigint      NOT NULL DEFAULT 1,
	created_at    timestamptz NOT NULL,
	updated_at    timestamptz NOT NULL
);
CREATE INDEX idempotency_at ON idempotency USING brin (created_at);
