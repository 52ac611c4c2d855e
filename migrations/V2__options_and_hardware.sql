-- What an operator chose for one host beyond its server type, and what is known of its hardware.

ALTER TABLE hosts ADD COLUMN options TEXT NOT NULL DEFAULT '{}'; -- JSON
ALTER TABLE hosts ADD COLUMN hardware TEXT;                      -- JSON; empty until an installer or a first boot reported
