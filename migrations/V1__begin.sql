-- Hosts, their histories, rebuilds and operations, the live feed, and the rows of the image library.
--
-- Moments are RFC 3339 in UTC, as exact as the clock gave them; they are never compared in SQL, `number` columns give the order.
-- States, events and topics are the words of the domain: an unknown one is an error when it is read, so that a newer program may add some.

CREATE TABLE hosts (
    id            TEXT NOT NULL PRIMARY KEY,
    hostname      TEXT NOT NULL UNIQUE,
    mac           TEXT NOT NULL UNIQUE,
    server_type   TEXT NOT NULL,
    state         TEXT NOT NULL,
    state_since   TEXT NOT NULL,
    reason        TEXT,
    address       TEXT,
    hardware_id   TEXT,
    ssh_host_key  TEXT,
    registered_at TEXT NOT NULL,
    installed_at  TEXT,
    is_member     INTEGER NOT NULL CHECK (is_member IN (0, 1))
) STRICT;

CREATE TABLE history (
    number     INTEGER PRIMARY KEY,
    host       TEXT NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    at         TEXT NOT NULL,
    event      TEXT NOT NULL,
    from_state TEXT NOT NULL,
    to_state   TEXT NOT NULL,
    because    TEXT NOT NULL
) STRICT;
CREATE INDEX history_of_host ON history (host, number);

CREATE TABLE operations (
    number     INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    host       TEXT NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    plan       TEXT NOT NULL,
    steps      TEXT NOT NULL, -- JSON, a list of names
    started_at TEXT NOT NULL,
    closed_at  TEXT           -- the runner need not look at it again
) STRICT;
CREATE INDEX operations_of_host ON operations (host, number);
CREATE INDEX open_operations ON operations (number) WHERE closed_at IS NULL;

CREATE TABLE journal (
    operation TEXT NOT NULL REFERENCES operations (id) ON DELETE CASCADE,
    position  INTEGER NOT NULL CHECK (position >= 0),
    at        TEXT NOT NULL,
    step      TEXT NOT NULL,  -- empty: about the operation as a whole
    event     TEXT NOT NULL,  -- JSON
    PRIMARY KEY (operation, position)
) STRICT, WITHOUT ROWID;

-- The turn to change a cluster's membership: one operation at a time.
CREATE TABLE turns (
    cluster   TEXT NOT NULL PRIMARY KEY,
    operation TEXT NOT NULL REFERENCES operations (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE rebuilds (
    operation              TEXT NOT NULL PRIMARY KEY REFERENCES operations (id) ON DELETE CASCADE,
    host                   TEXT NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    server_type            TEXT NOT NULL,
    server_type_settings   TEXT NOT NULL, -- JSON, without the name
    template               TEXT NOT NULL,
    template_text          TEXT NOT NULL,
    image                  TEXT NOT NULL,
    public_key             TEXT NOT NULL,
    requested_at           TEXT NOT NULL,
    armed_until            TEXT NOT NULL,
    ended_at               TEXT,
    -- What has been seen of the machine; every mark is written once.
    script_address         TEXT,
    image_address          TEXT,
    answered_at            TEXT,
    machine_fingerprint    TEXT,
    first_boot_fetched_at  TEXT,
    installed_at           TEXT,
    phoned_home_at         TEXT,
    host_key_confirmed_at  TEXT,
    refused                TEXT
) STRICT;
CREATE INDEX rebuilds_of_host ON rebuilds (host);
CREATE INDEX rebuilds_not_ended ON rebuilds (image) WHERE ended_at IS NULL;

-- The secrets of rebuilds that have not ended. A table of their own, so that no other change ever copies them to another place.
CREATE TABLE sealed_secrets (
    number       INTEGER PRIMARY KEY,
    operation    TEXT NOT NULL UNIQUE REFERENCES rebuilds (operation) ON DELETE CASCADE,
    token_secret BLOB NOT NULL,
    private_key  BLOB NOT NULL
) STRICT;

CREATE TABLE tokens (
    hash      BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32), -- SHA-256 of the token; the token itself is nowhere
    operation TEXT NOT NULL REFERENCES rebuilds (operation) ON DELETE CASCADE,
    host      TEXT NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    purpose   TEXT NOT NULL,
    spent_at  TEXT,
    spent_by  TEXT -- the event of the host that it proved, if one
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_of_host ON tokens (host);
CREATE INDEX tokens_of_operation ON tokens (operation);

-- AUTOINCREMENT: a browser resumes by id, so no id may come twice. No references: a row outlives what it tells of.
CREATE TABLE live_feed (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    at        TEXT NOT NULL,
    topic     TEXT NOT NULL,
    host      TEXT,
    operation TEXT,
    message   TEXT NOT NULL
) STRICT;

CREATE TABLE images (
    number                INTEGER PRIMARY KEY,
    id                    TEXT NOT NULL UNIQUE,
    product               TEXT NOT NULL,
    product_name          TEXT NOT NULL,
    release_major         INTEGER NOT NULL,
    release_minor         INTEGER NOT NULL,
    iso_release           TEXT NOT NULL,
    source_name           TEXT NOT NULL,
    source_sha256         TEXT NOT NULL,
    iso_size_bytes        INTEGER NOT NULL,
    settings_offset_bytes INTEGER NOT NULL,
    settings_size_bytes   INTEGER NOT NULL,
    added_at              TEXT NOT NULL
) STRICT;
