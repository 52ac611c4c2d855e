-- Requests that were sent with an Idempotency-Key, so that a repeat is answered as the first was. No key and no credential is here, only
-- fingerprints of them; `intended` is the id of what the request makes, chosen before it is made, which tells after a crash whether it was.

CREATE TABLE repeats (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    key BLOB NOT NULL UNIQUE,
    request BLOB NOT NULL,
    intended BLOB NOT NULL,
    at TEXT NOT NULL,
    status INTEGER,
    place TEXT,
    kind TEXT,
    body BLOB
) STRICT;
