-- What was decided of two-phase commits: a row is the decision. A commit writes its own in the transaction of its effect; whoever finds
-- none gives the transaction up by a row too, and what comes second fails on the key.
CREATE TABLE decisions (
	id        uuid        PRIMARY KEY,
	committed boolean     NOT NULL,
	at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX decisions_at ON decisions (at);
