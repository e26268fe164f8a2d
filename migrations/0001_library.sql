-- The catalogue: the one truth of a library. Times are ticks of the video's time base,
-- counted from the start of the video as a player shows it.

CREATE TABLE library (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    -- Counts commits that changed what a query can find.
    generation INTEGER NOT NULL
) STRICT;

INSERT INTO library (one, generation) VALUES (1, 0);

CREATE TABLE models (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL,
    fingerprint TEXT NOT NULL UNIQUE,
    dim         INTEGER NOT NULL CHECK (dim > 0)
) STRICT;

CREATE TABLE videos (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Absolute. TEXT where it is Unicode, else a BLOB of the file system's bytes.
    path          ANY NOT NULL,
    -- Of the file when it was read: what tells a changed file from a known one.
    size          INTEGER NOT NULL,
    modified_ns   INTEGER NOT NULL,
    -- NULL while it is being read, or when that was interrupted. An earlier, whole reading of
    -- the same path stays, and counts, until the new one is whole.
    indexed_at    INTEGER,
    sampling      TEXT NOT NULL,
    container     TEXT,
    codec         TEXT,
    width         INTEGER,
    height        INTEGER,
    -- Seconds: as the container claims, and as far as frames could be decoded.
    duration      REAL,
    read_to       REAL,
    frames        INTEGER NOT NULL DEFAULT 0,
    largest_gap   REAL,
    decode_errors INTEGER NOT NULL DEFAULT 0,
    -- Why it gave nothing, or less than all.
    error         TEXT
) STRICT;

CREATE UNIQUE INDEX whole_readings ON videos (path) WHERE indexed_at IS NOT NULL;

-- What queries and status see.
CREATE VIEW shown_videos AS
    SELECT * FROM videos v
    WHERE indexed_at IS NOT NULL
       OR NOT EXISTS (SELECT 1 FROM videos w WHERE w.path = v.path AND w.indexed_at IS NOT NULL);

CREATE INDEX videos_by_path ON videos (path);

CREATE TABLE moments (
    id       INTEGER PRIMARY KEY,
    video_id INTEGER NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    base_num INTEGER NOT NULL CHECK (base_num > 0),
    base_den INTEGER NOT NULL CHECK (base_den > 0),
    -- The representative frame, and the stretch it stands for.
    time     INTEGER NOT NULL,
    start    INTEGER NOT NULL CHECK (start <= time),
    "end"    INTEGER NOT NULL CHECK ("end" >= time)
) STRICT;

CREATE INDEX moments_by_video ON moments (video_id);

CREATE TABLE vectors (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    moment_id INTEGER NOT NULL REFERENCES moments (id) ON DELETE CASCADE,
    model_id  INTEGER NOT NULL REFERENCES models (id),
    -- The part of the frame it was made from, in display pixels; all NULL for the whole.
    x INTEGER, y INTEGER, width INTEGER, height INTEGER,
    -- f16, little-endian, L2-normalised.
    vector    BLOB NOT NULL
) STRICT;

CREATE INDEX vectors_by_moment ON vectors (moment_id);
CREATE INDEX vectors_by_model ON vectors (model_id);
