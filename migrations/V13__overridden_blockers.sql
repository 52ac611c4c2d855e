-- The blockers of the pre-flight that an operator overrode with the request for a rebuild, with the reason: JSON, absent where there were none.
ALTER TABLE rebuilds ADD COLUMN overridden TEXT;
