-- What the pages of the past ask for: which rows of the live feed a person should look at, and what a batch has in the log and in notifications.

ALTER TABLE live_feed ADD COLUMN attention INTEGER NOT NULL DEFAULT 0; -- 1: a person should look
CREATE INDEX live_feed_of_host ON live_feed (host, id);
CREATE INDEX live_feed_of_operation ON live_feed (operation, id);
CREATE INDEX live_feed_attention ON live_feed (id) WHERE attention = 1;
UPDATE live_feed SET attention = 1 WHERE topic IN ('warning', 'overdue');

ALTER TABLE audit ADD COLUMN batch TEXT;   -- no reference: the row outlives the batch
CREATE INDEX audit_by_operation ON audit (operation, number) WHERE operation IS NOT NULL;

ALTER TABLE moments ADD COLUMN batch TEXT; -- of a batch and no single host
CREATE INDEX batch_of_operation ON batch_hosts (operation) WHERE operation IS NOT NULL;
