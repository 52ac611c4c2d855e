-- Rebuilds of several hosts: a queue that survives restarts. The revision keeps two writers from overwriting each other.

CREATE TABLE batches (
    number          INTEGER PRIMARY KEY,
    id              TEXT NOT NULL UNIQUE,
    revision        INTEGER NOT NULL DEFAULT 0,
    at_most         INTEGER NOT NULL CHECK (at_most >= 1),
    rolling         INTEGER NOT NULL CHECK (rolling IN (0, 1)),
    image           TEXT,
    accept_warnings INTEGER NOT NULL CHECK (accept_warnings IN (0, 1)),
    created_at      TEXT NOT NULL,
    state           TEXT NOT NULL, -- a word
    note            TEXT,          -- why it is paused or waits
    note_since      TEXT,
    ended_at        TEXT
) STRICT;
CREATE INDEX open_batches ON batches (number) WHERE ended_at IS NULL;

-- No reference to the host: a row outlives it.
CREATE TABLE batch_hosts (
    batch     TEXT NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    position  INTEGER NOT NULL,
    host      TEXT NOT NULL,
    hostname  TEXT NOT NULL,
    state     TEXT NOT NULL, -- a word
    before    TEXT,          -- the host's latest operation when its start was decided
    operation TEXT,          -- its rebuild
    reason    TEXT,
    PRIMARY KEY (batch, position)
) STRICT, WITHOUT ROWID;
