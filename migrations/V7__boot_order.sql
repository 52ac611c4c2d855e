-- Whether an installed host was seen to ask the network before its disk when it started.

ALTER TABLE hosts ADD COLUMN boot_order TEXT; -- a word; empty until something was seen
