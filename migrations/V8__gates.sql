-- The join gate: one sealed key for all members, and the members that have the gate.

CREATE TABLE gate_key (
    number INTEGER PRIMARY KEY CHECK (number = 1),
    sealed BLOB NOT NULL
) STRICT;

CREATE TABLE gates (
    address       TEXT NOT NULL PRIMARY KEY,
    ssh_host_key  TEXT NOT NULL,
    node          TEXT NOT NULL,
    script_sha256 TEXT NOT NULL,
    installed_at  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
