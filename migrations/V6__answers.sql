-- What was chosen for the answer is pinned with each rebuild, and what a host was given last is kept to compare with.

ALTER TABLE rebuilds ADD COLUMN answer_options TEXT NOT NULL DEFAULT '{}'; -- JSON

CREATE TABLE served_answers (
    host      TEXT NOT NULL PRIMARY KEY REFERENCES hosts (id) ON DELETE CASCADE,
    at        TEXT NOT NULL,
    operation TEXT NOT NULL,
    release   TEXT NOT NULL,
    our       TEXT NOT NULL, -- the address at which the machine found us
    answer    TEXT NOT NULL  -- TOML without secrets
) STRICT, WITHOUT ROWID;
