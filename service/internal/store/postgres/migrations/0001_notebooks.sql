CREATE TABLE notebooks (
    id          text COLLATE "C" PRIMARY KEY,
    name        text        NOT NULL,
    search_name text        NOT NULL, -- the name, case-folded
    mode        text        NOT NULL,
    version     bigint      NOT NULL,
    cell_count  integer     NOT NULL, -- kept here so that a list reads one table
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

CREATE INDEX notebooks_by_age ON notebooks (created_at, id);

-- What people wrote. As JSON, as text can't hold every character that a source
-- can.
CREATE TABLE cells (
    notebook_id text COLLATE "C" NOT NULL REFERENCES notebooks (id) ON DELETE CASCADE,
    id          text COLLATE "C" NOT NULL,
    position    integer NOT NULL, -- rises down the page, with gaps
    document    json    NOT NULL, -- kind, source, disabled, connection, result
    PRIMARY KEY (notebook_id, id)
);

-- What a run left. Apart from the cells, as outputs are large and change
-- without the document, and sources change without them.
CREATE TABLE results (
    notebook_id text COLLATE "C" NOT NULL,
    cell_id     text COLLATE "C" NOT NULL,
    runs        integer NOT NULL, -- how often the cell had been started
    state       text NOT NULL, -- JSON: status, error, names, counts and times
    outputs     text NOT NULL, -- JSON: list of outputs, as deep as they like
    PRIMARY KEY (notebook_id, cell_id),
    FOREIGN KEY (notebook_id, cell_id) REFERENCES cells (notebook_id, id) ON DELETE CASCADE
);
