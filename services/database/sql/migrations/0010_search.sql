-- Tasks by their words: the text search configuration is the product's own, so that it can be changed for a language without a change
-- of the product (README.md). `simple` takes words as they are, in any language.
CREATE TEXT SEARCH CONFIGURATION metafed (COPY = simple);
CREATE INDEX tasks_words ON tasks USING gin (to_tsvector('metafed',title||' '||coalesce(description,'')))
	WITH (gin_pending_list_limit = 256);

-- What intake lets through as `json` is `jsonb` too: no NUL in a text, no number beyond a double.
CREATE INDEX tasks_attributes ON tasks USING gin ((payload::jsonb) jsonb_path_ops)
	WITH (gin_pending_list_limit = 256) WHERE payload IS NOT NULL;
