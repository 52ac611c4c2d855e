-- Who wrote an operation and its journal, what its steps said, and what was told of hosts that take too long.

ALTER TABLE operations ADD COLUMN program TEXT; -- the version that began it; empty before this column
ALTER TABLE journal ADD COLUMN program TEXT;    -- the version that wrote the entry

-- What commands on nodes said during one attempt of a step, secrets removed.
CREATE TABLE step_outputs (
    operation TEXT NOT NULL REFERENCES operations (id) ON DELETE CASCADE,
    step      TEXT NOT NULL,
    attempt   INTEGER NOT NULL CHECK (attempt >= 0),
    at        TEXT NOT NULL, -- when it was written last
    text      TEXT NOT NULL,
    PRIMARY KEY (operation, step, attempt)
) STRICT, WITHOUT ROWID;

-- What the machine itself said of a failure; unlike the marks that prove progress, the newest report counts.
ALTER TABLE rebuilds ADD COLUMN failure_reported_at TEXT;
ALTER TABLE rebuilds ADD COLUMN reported_failure TEXT;

-- The `state_since` for which it was told that the host is overdue.
ALTER TABLE hosts ADD COLUMN overdue_told TEXT;
