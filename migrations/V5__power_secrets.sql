-- The sealed secret of each host's power driver. A table of its own, so that no other change ever copies it to another place; it goes with its host.

CREATE TABLE power_secrets (
    number INTEGER PRIMARY KEY,
    host   TEXT NOT NULL UNIQUE REFERENCES hosts (id) ON DELETE CASCADE,
    sealed BLOB NOT NULL
) STRICT;
