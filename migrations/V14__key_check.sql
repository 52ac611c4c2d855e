-- A known text, sealed with the key file at the first start: another key file is noticed at the next one, before anything is sealed with it.

CREATE TABLE key_check (
    number INTEGER NOT NULL PRIMARY KEY CHECK (number = 1),
    sealed BLOB NOT NULL
) STRICT;
