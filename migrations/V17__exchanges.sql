-- What machines sent and what they were answered, secrets removed; the newest ones of each host.

CREATE TABLE exchanges (
    number         INTEGER PRIMARY KEY AUTOINCREMENT,
    host           TEXT NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    operation      TEXT NOT NULL,
    kind           TEXT NOT NULL, -- a word: answer, first_boot_script, installed, phone_home, failed
    at             TEXT NOT NULL,
    last_at        TEXT NOT NULL, -- when the same was asked and answered for the last time in a row
    times          INTEGER NOT NULL DEFAULT 1 CHECK (times > 0),
    peer           TEXT NOT NULL,
    status         INTEGER NOT NULL,
    sent           TEXT NOT NULL,
    sent_bytes     INTEGER NOT NULL, -- what went over the wire
    sent_cut       INTEGER NOT NULL CHECK (sent_cut IN (0, 1)),
    answered       TEXT NOT NULL,
    answered_bytes INTEGER NOT NULL,
    answered_cut   INTEGER NOT NULL CHECK (answered_cut IN (0, 1))
) STRICT;

CREATE INDEX exchanges_of_host ON exchanges (host, number);
