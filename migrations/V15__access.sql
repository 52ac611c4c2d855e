-- Who may come in: users, their signed-in browsers, and the tokens of programs. Sessions and tokens are kept as SHA-256 of their random
-- text alone, so that nobody comes in with a copy of this file.

CREATE TABLE users (
    id         TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    folded     TEXT NOT NULL UNIQUE, -- the name in lower case: two names that differ only in case are one
    password   TEXT NOT NULL,        -- a PHC string of argon2id
    created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    id           TEXT NOT NULL PRIMARY KEY,
    hash         BLOB NOT NULL UNIQUE,
    user         TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at   TEXT NOT NULL,
    last_seen_at TEXT NOT NULL,
    expires_at   TEXT NOT NULL,
    peer         TEXT NOT NULL, -- the address from which it began
    agent        TEXT NOT NULL  -- what kind of program began it, as one of a few words
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_of_user ON sessions (user);

CREATE TABLE api_tokens (
    id           TEXT NOT NULL PRIMARY KEY,
    hash         BLOB NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    folded       TEXT NOT NULL,
    scope        TEXT NOT NULL, -- a word: read_only, operator
    created_at   TEXT NOT NULL,
    created_by   TEXT NOT NULL, -- a name; the token outlives the user
    last_used_at TEXT,
    revoked_at   TEXT
) STRICT, WITHOUT ROWID;

-- The name of a revoked token may be given again.
CREATE UNIQUE INDEX api_tokens_in_use ON api_tokens (folded) WHERE revoked_at IS NULL;
