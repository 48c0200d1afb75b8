-- The models of the auth domain, by services/database/sql/models.c. What is secret is stored as a hash, or sealed with the fleet's key.

ALTER TABLE users
	ADD kind           text COLLATE "C" NOT NULL DEFAULT 'person' CHECK (kind IN ('person', 'service')),
	ADD display_name   text,
	ADD email          text COLLATE "C",
	ADD email_verified boolean NOT NULL DEFAULT false,
	ADD groups         jsonb   NOT NULL DEFAULT '[]';

-- A session that an OAuth client has is of kind client, one of a browser (its cookie) of kind browser.
ALTER TABLE sessions
	ADD kind             text COLLATE "C" NOT NULL DEFAULT 'api' CHECK (kind IN ('api', 'browser', 'client')),
	ADD client_id        text COLLATE "C",
	ADD scopes           jsonb   NOT NULL DEFAULT '[]',
	ADD limited          boolean NOT NULL DEFAULT false,
	ADD audience         text,
	ADD client_address   text,
	ADD user_agent       text,
	ADD methods          jsonb   NOT NULL DEFAULT '[]',
	ADD authenticated_at timestamptz,
	ADD proof_key        text COLLATE "C";
CREATE INDEX sessions_client ON sessions (client_id, id) WHERE client_id IS NOT NULL;

CREATE TABLE api_keys (
	id          uuid        PRIMARY KEY,
	user_id     uuid        NOT NULL,
	name        text        NOT NULL,
	secret_hash text COLLATE "C" NOT NULL,
	scopes      jsonb       NOT NULL DEFAULT '[]',
	limited     boolean     NOT NULL DEFAULT false,
	expires_at  timestamptz,
	used_at     timestamptz,
	version     bigint      NOT NULL DEFAULT 1,
	created_at  timestamptz NOT NULL,
	updated_at  timestamptz NOT NULL
);
CREATE INDEX api_keys_user ON api_keys (user_id, id);
CREATE INDEX api_keys_expiry ON api_keys (expires_at);

-- A second factor.
CREATE TABLE factors (
	id         uuid        PRIMARY KEY,
	user_id    uuid        NOT NULL,
	kind       text COLLATE "C" NOT NULL,
	secret     text        NOT NULL,
	confirmed  boolean     NOT NULL DEFAULT false,
	last_step  bigint      NOT NULL DEFAULT 0,
	recovery   jsonb       NOT NULL DEFAULT '[]',
	version    bigint      NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL,
	UNIQUE (user_id, kind)
);

CREATE TABLE groups (
	id          text COLLATE "C" PRIMARY KEY,
	description text,
	roles       jsonb       NOT NULL DEFAULT '[]',
	version     bigint      NOT NULL DEFAULT 1,
	created_at  timestamptz NOT NULL,
	updated_at  timestamptz NOT NULL
);

CREATE TABLE grants (
	id           uuid        PRIMARY KEY,
	effect       text COLLATE "C" NOT NULL CHECK (effect IN ('allow', 'deny')),
	subject_kind text COLLATE "C" NOT NULL CHECK (subject_kind IN ('user', 'group', 'role', 'everyone')),
	subject      text COLLATE "C" NOT NULL,
	permissions  jsonb       NOT NULL DEFAULT '[]',
	roles        jsonb       NOT NULL DEFAULT '[]',
	namespace    text COLLATE "C",
	resource     text COLLATE "C",
	conditions   json,
	description  text,
	expires_at   timestamptz,
	version      bigint      NOT NULL DEFAULT 1,
	created_at   timestamptz NOT NULL,
	updated_at   timestamptz NOT NULL
);
CREATE INDEX grants_subject ON grants (subject, id);
CREATE INDEX grants_expiry ON grants (expires_at);

-- Which rows of roles, groups and grants changed, so that whoever holds the policy in memory reads those alone. Written by triggers,
-- whoever makes the change. The row of policy_clock is locked until the commit: numbers become visible in their order and have no gap.
-- Subject '*' stands for anything: more than 1000 rows in one statement, or all of them. What is older than 10,000 changes is thrown away.
CREATE TABLE policy_clock (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	n   bigint  NOT NULL DEFAULT 0
);
INSERT INTO policy_clock DEFAULT VALUES;
CREATE TABLE policy_changes (
	id         text COLLATE "C" PRIMARY KEY,
	model      text COLLATE "C" NOT NULL,
	subject    text COLLATE "C" NOT NULL,
	version    bigint      NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE FUNCTION mf_policy_log(model text, subjects text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	k    bigint;
	last bigint;
BEGIN
	IF cardinality(subjects) = 0 THEN
		RETURN;
	END IF;
	IF cardinality(subjects) > 1000 THEN
		subjects := ARRAY['*'];
	END IF;
	k := cardinality(subjects);
	UPDATE policy_clock SET n = n + k RETURNING n INTO last;
	INSERT INTO policy_changes (id, model, subject)
	SELECT lpad((last - k + i)::text, 16, '0'), mf_policy_log.model, s FROM unnest(subjects) WITH ORDINALITY AS t (s, i);
	DELETE FROM policy_changes WHERE id <= lpad(greatest(last - 10000, 0)::text, 16, '0');
END $$;
CREATE FUNCTION mf_policy_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM mf_policy_log(TG_ARGV[0], ARRAY(SELECT id::text FROM changed LIMIT 1001));
	RETURN NULL;
END $$;
CREATE FUNCTION mf_policy_emptied() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM mf_policy_log(TG_ARGV[0], ARRAY['*']);
	RETURN NULL;
END $$;
DO $$
DECLARE
	t text;
	m text;
BEGIN
	FOREACH t IN ARRAY ARRAY['roles', 'groups', 'grants'] LOOP
		m := left(t, -1);
		EXECUTE format('CREATE TRIGGER %s_created AFTER INSERT ON %I REFERENCING NEW TABLE AS changed
			FOR EACH STATEMENT EXECUTE FUNCTION mf_policy_changed(%L)', t, t, m);
		EXECUTE format('CREATE TRIGGER %s_updated AFTER UPDATE ON %I REFERENCING NEW TABLE AS changed
			FOR EACH STATEMENT EXECUTE FUNCTION mf_policy_changed(%L)', t, t, m);
		EXECUTE format('CREATE TRIGGER %s_deleted AFTER DELETE ON %I REFERENCING OLD TABLE AS changed
			FOR EACH STATEMENT EXECUTE FUNCTION mf_policy_changed(%L)', t, t, m);
		EXECUTE format('CREATE TRIGGER %s_emptied AFTER TRUNCATE ON %I
			FOR EACH STATEMENT EXECUTE FUNCTION mf_policy_emptied(%L)', t, t, m);
	END LOOP;
END $$;

CREATE TABLE clients (
	id                 text COLLATE "C" PRIMARY KEY,
	name               text        NOT NULL,
	secret_hash        text COLLATE "C",
	auth_method        text COLLATE "C" NOT NULL,
	redirect_uris      jsonb       NOT NULL DEFAULT '[]',
	logout_uris        jsonb       NOT NULL DEFAULT '[]',
	grant_types        jsonb       NOT NULL DEFAULT '[]',
	scopes             jsonb       NOT NULL DEFAULT '[]',
	user_id            uuid,
	jwks               json,
	proof_required     boolean     NOT NULL DEFAULT false,
	pushed_required    boolean     NOT NULL DEFAULT false,
	trusted            boolean     NOT NULL DEFAULT false,
	disabled           boolean     NOT NULL DEFAULT false,
	registration_hash  text COLLATE "C",
	metadata           json,
	created_by         text COLLATE "C",
	version            bigint      NOT NULL DEFAULT 1,
	created_at         timestamptz NOT NULL,
	updated_at         timestamptz NOT NULL
);

CREATE TABLE consents (
	id         uuid        PRIMARY KEY,
	user_id    uuid        NOT NULL,
	client_id  text COLLATE "C" NOT NULL,
	scopes     jsonb       NOT NULL DEFAULT '[]',
	redirects  text COLLATE "C",
	version    bigint      NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL
);
CREATE INDEX consents_user ON consents (user_id, id);

-- Outside OpenID providers, and who is who there.
CREATE TABLE providers (
	id            text COLLATE "C" PRIMARY KEY,
	name          text        NOT NULL,
	issuer        text COLLATE "C" NOT NULL,
	client_id     text        NOT NULL,
	client_secret text,
	scopes        jsonb       NOT NULL DEFAULT '[]',
	create_users  boolean     NOT NULL DEFAULT false,
	roles         jsonb       NOT NULL DEFAULT '[]',
	trust_email   boolean     NOT NULL DEFAULT false,
	disabled      boolean     NOT NULL DEFAULT false,
	version       bigint      NOT NULL DEFAULT 1,
	created_at    timestamptz NOT NULL,
	updated_at    timestamptz NOT NULL
);
CREATE TABLE identities (
	id         uuid        PRIMARY KEY,
	user_id    uuid        NOT NULL,
	provider   text COLLATE "C" NOT NULL,
	subject    text COLLATE "C" NOT NULL,
	account    text COLLATE "C" NOT NULL UNIQUE, -- a hash of provider, issuer and subject: one user each
	email      text,
	version    bigint      NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL
);
CREATE INDEX identities_user ON identities (user_id, id);

-- What lives for minutes: pushed requests, codes, device codes, log-ins under way.
CREATE TABLE auth_states (
	id         uuid        PRIMARY KEY,
	kind       text COLLATE "C" NOT NULL,
	subject    text COLLATE "C",
	data       json,
	expires_at timestamptz NOT NULL,
	version    bigint      NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL
);
CREATE INDEX auth_states_subject ON auth_states (subject, id) WHERE subject IS NOT NULL;
CREATE INDEX auth_states_expiry ON auth_states (expires_at);

-- The audit log. Its ids are its numbers, 16 digits; each record has the hash of the one before it. Nothing of it is ever changed.
CREATE TABLE audit (
	id         text COLLATE "C" PRIMARY KEY,
	kind       text COLLATE "C" NOT NULL,
	outcome    text COLLATE "C" NOT NULL,
	actor      text COLLATE "C",
	subject    text COLLATE "C",
	address    text COLLATE "C",
	record     json        NOT NULL,
	hash       text COLLATE "C" NOT NULL,
	version    bigint      NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL
);
CREATE INDEX audit_actor ON audit (actor, id);
CREATE INDEX audit_subject ON audit (subject, id);
CREATE INDEX audit_kind ON audit (kind, id);
CREATE INDEX audit_created ON audit USING brin (created_at);
