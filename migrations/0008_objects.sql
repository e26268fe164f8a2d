-- Things that were seen in the frames of moments.
CREATE TABLE objects (
    id        INTEGER PRIMARY KEY,
    moment_id INTEGER NOT NULL REFERENCES moments (id) ON DELETE CASCADE,
    -- One of COCO's 80 classes, by its name.
    class     TEXT NOT NULL,
    score     REAL NOT NULL,
    -- Its box in display pixels.
    x         INTEGER NOT NULL,
    y         INTEGER NOT NULL,
    width     INTEGER NOT NULL,
    height    INTEGER NOT NULL,
    -- JSON: [["blue", 0.62], ["white", 0.2]], the greatest share first; NULL where it cannot be told. Of a person
    -- the upper and the lower garment, of anything else the whole.
    colour    TEXT,
    upper     TEXT,
    lower     TEXT
) STRICT;

CREATE INDEX objects_by_moment ON objects (moment_id);
CREATE INDEX objects_by_class ON objects (class, score);

-- Fingerprint of the detector that looked at a moment; NULL where none has yet.
ALTER TABLE moments ADD COLUMN detector TEXT;
CREATE INDEX moments_without_detector ON moments (video_id) WHERE detector IS NULL;

-- 1: of a thing in the frame, and not of one of its views.
ALTER TABLE vectors ADD COLUMN thing INTEGER NOT NULL DEFAULT 0;
