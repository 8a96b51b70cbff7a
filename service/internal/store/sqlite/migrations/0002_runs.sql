-- How often the cell had been started when it left these results: of two
-- services, the one that has not seen the last run must not put back what it
-- remembers.
ALTER TABLE results ADD COLUMN runs INTEGER NOT NULL DEFAULT 0;

UPDATE results SET runs = json_extract(state, '$.execution_count');
