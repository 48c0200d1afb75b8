-- Who of the orchestrators leads, and its fencing number. Written at a take-over, by who holds the lock for it (lead.c), and at no other
-- time.
CREATE TABLE leader (
	one        boolean PRIMARY KEY DEFAULT true CHECK (one),
	number     bigint  NOT NULL DEFAULT 0,
	holder     text COLLATE "C" NOT NULL DEFAULT '',
	generation bigint  NOT NULL DEFAULT 0,
	at         timestamptz
);
INSERT INTO leader DEFAULT VALUES;

-- The same number for the fence of the writes (MF413). A sequence, because what it says is seen at once and at any isolation. It may be
-- ahead of the row where a take-over was cut off; then nobody leads by the row. Not drawn from, only set.
CREATE SEQUENCE leader_number MINVALUE 0 START 0;

-- Asked by a session that holds the lock. The same life of the same candidate keeps its number, where nobody came between; its next
-- life takes over at once; anybody else only when he may `take`. What he has `seen` counts too: a promoted stand-by may know less.
CREATE FUNCTION mf_lead(candidate text, of_generation bigint, seen bigint, take boolean,
	OUT leads boolean, OUT number bigint, OUT leader text)
LANGUAGE plpgsql AS $$
DECLARE
	l leader;
	s bigint := (SELECT last_value FROM leader_number);
BEGIN
	SELECT * INTO STRICT l FROM leader;
	leads := l.holder = candidate AND l.generation = of_generation AND l.number = s AND s >= seen;
	IF NOT leads AND (take OR l.holder = '' OR (l.holder = candidate AND l.generation <= of_generation)) THEN
		l.number := greatest(l.number, s, seen) + 1;
		l.holder := candidate;
		UPDATE leader t SET number = l.number, holder = candidate, generation = of_generation, at = clock_timestamp();
		PERFORM setval('leader_number', l.number);
		leads := true;
	END IF;
	number := l.number;
	leader := l.holder;
END $$;
