-- A host that is a member leaves its cluster before it is installed; and the certificates of members are known again.

ALTER TABLE rebuilds ADD COLUMN leaves TEXT;          -- the address under which the cluster lists the host; empty when there is nothing to leave
ALTER TABLE rebuilds ADD COLUMN leaving_at TEXT;      -- from here on the host may have been removed
ALTER TABLE rebuilds ADD COLUMN left_cluster_at TEXT; -- it was removed

CREATE TABLE member_certificates (
    address     TEXT NOT NULL PRIMARY KEY,
    fingerprint TEXT NOT NULL, -- SHA-256, as AA:BB:…
    seen_at     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
