-- What was wrong with the clock of each video.

-- Frames whose time was wrong.
ALTER TABLE videos ADD COLUMN wrong_times INTEGER NOT NULL DEFAULT 0;

-- Where its clock began anew: the time in seconds, and by how many more than before it what the file says is
-- moved from there on.
CREATE TABLE jumps (
    video_id INTEGER NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    time     REAL NOT NULL,
    moved    REAL NOT NULL
) STRICT;

CREATE INDEX jumps_by_video ON jumps (video_id);
