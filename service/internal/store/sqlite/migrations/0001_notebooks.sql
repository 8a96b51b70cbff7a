-- Times are Unix milliseconds.

CREATE TABLE notebooks (
    id          TEXT    PRIMARY KEY,
    name        TEXT    NOT NULL,
    search_name TEXT    NOT NULL, -- the name, case-folded
    mode        TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    cell_count  INTEGER NOT NULL, -- kept here so that a list reads one table
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX notebooks_by_age ON notebooks (created_at, id);

-- What people wrote.
CREATE TABLE cells (
    notebook_id TEXT    NOT NULL REFERENCES notebooks (id) ON DELETE CASCADE,
    id          TEXT    NOT NULL,
    position    INTEGER NOT NULL, -- rises down the page, with gaps
    kind        TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    disabled    INTEGER NOT NULL,
    connection  TEXT,
    result      TEXT,
    PRIMARY KEY (notebook_id, id)
) STRICT;

-- What a run left. Apart from the cells, as outputs are large and change
-- without the document, and sources change without them.
CREATE TABLE results (
    notebook_id TEXT NOT NULL,
    cell_id     TEXT NOT NULL,
    state       TEXT NOT NULL, -- JSON: status, error, names, counts and times
    outputs     TEXT NOT NULL, -- JSON: list of outputs
    PRIMARY KEY (notebook_id, cell_id),
    FOREIGN KEY (notebook_id, cell_id) REFERENCES cells (notebook_id, id) ON DELETE CASCADE
) STRICT;
