-- Machines that were seen and are not registered, and what was seen of the boots of those that are. Both are kept in memory and written
-- here in batches, each as JSON: they only have to survive a restart. The memory's bounds are those of these tables.

CREATE TABLE sightings (
    mac      TEXT NOT NULL PRIMARY KEY,
    sighting TEXT NOT NULL -- JSON
) STRICT, WITHOUT ROWID;

CREATE TABLE boot_records (
    host   TEXT NOT NULL PRIMARY KEY REFERENCES hosts (id) ON DELETE CASCADE,
    record TEXT NOT NULL -- JSON
) STRICT, WITHOUT ROWID;
