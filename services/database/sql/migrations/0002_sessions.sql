-- One row per session instead of one per refresh token: its version is the number of the token that is live.
-- Whoever was logged in logs in again.

CREATE TABLE sessions (
	id         uuid        PRIMARY KEY,
	user_id    uuid        NOT NULL,
	expires_at timestamptz NOT NULL,
	version    bigint      NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id, id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

DROP TABLE refresh_tokens;
