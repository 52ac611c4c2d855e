-- The default image, and what the files of an image were when it was added.

ALTER TABLE images ADD COLUMN is_default INTEGER NOT NULL DEFAULT 0 CHECK (is_default IN (0, 1));
ALTER TABLE images ADD COLUMN files TEXT; -- JSON; empty for images that were added before there was this column
CREATE UNIQUE INDEX one_default_image ON images (is_default) WHERE is_default = 1;
