-- Who did what, and whom we tell of what.

-- Rows are only ever added: the triggers refuse everything else, also REPLACE, which removes a row without asking the trigger for removals.
CREATE TABLE audit (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    at        TEXT NOT NULL,
    actor     TEXT,             -- a user's name; empty until there is a login
    via       TEXT NOT NULL,    -- a word: dashboard, api, command_line, daemon
    peer      TEXT NOT NULL,    -- the address that asked, or the user of this computer
    agent     TEXT NOT NULL,    -- what the program that asked calls itself, as one of a few words
    action    TEXT NOT NULL,    -- method and route pattern, or a word
    host      TEXT,             -- no reference: the row outlives the host
    hostname  TEXT,
    operation TEXT,
    image     TEXT,
    status    INTEGER,
    sentence  TEXT NOT NULL
) STRICT;

CREATE INDEX audit_by_host ON audit (host, number);

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

CREATE TRIGGER audit_is_never_removed BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

CREATE TRIGGER audit_is_never_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE number = NEW.number)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

-- Moments at which people are told, written in the transaction of what happened.
CREATE TABLE moments (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    at        TEXT NOT NULL,
    kind      TEXT NOT NULL,    -- a word
    host      TEXT,             -- no reference: the row outlives the host
    hostname  TEXT,
    operation TEXT,
    detail    TEXT NOT NULL
) STRICT;

-- Up to which moment each target has its deliveries; a new target begins with the newest.
CREATE TABLE notification_targets (
    name  TEXT NOT NULL PRIMARY KEY,
    up_to INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    moment     INTEGER NOT NULL REFERENCES moments (number) ON DELETE CASCADE,
    target     TEXT NOT NULL,
    state      TEXT NOT NULL,   -- a word: waiting, sent, given_up
    attempts   INTEGER NOT NULL DEFAULT 0,
    not_before TEXT,
    ended_at   TEXT,
    message    INTEGER,         -- the first delivery of the message that carried it: a digest carries several
    problem    TEXT,
    UNIQUE (target, moment)
) STRICT;

CREATE INDEX deliveries_of_target ON deliveries (target, state, number);
CREATE INDEX deliveries_of_moment ON deliveries (moment);
