-- What was seen of each video, what was not, and when and by which camera it was recorded.

ALTER TABLE videos ADD COLUMN lost_packets INTEGER NOT NULL DEFAULT 0;
ALTER TABLE videos ADD COLUMN lost_frames INTEGER NOT NULL DEFAULT 0;
-- The model it was read for.
ALTER TABLE videos ADD COLUMN model_id INTEGER REFERENCES models (id);
-- BLAKE3 over samples of the file's bytes: tells a moved file, and one that has only grown.
ALTER TABLE videos ADD COLUMN digest TEXT;
-- Whether it is worth another try though it has not changed: what ended it was not the file.
ALTER TABLE videos ADD COLUMN retry INTEGER NOT NULL DEFAULT 0;
-- Which video stream was read, from 0; NULL: the one a player shows.
ALTER TABLE videos ADD COLUMN stream INTEGER;
ALTER TABLE videos ADD COLUMN camera TEXT;
-- Wall clock at the start of the video, milliseconds since 1970 in UTC, and how that is known:
-- 'container', 'name' or 'file'.
ALTER TABLE videos ADD COLUMN recorded_ms INTEGER;
ALTER TABLE videos ADD COLUMN recorded_from TEXT;

CREATE INDEX videos_by_digest ON videos (digest);

-- Stretches in which no frame was sampled though the policy wants one, in seconds.
CREATE TABLE gaps (
    video_id INTEGER NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    start    REAL NOT NULL,
    "end"    REAL NOT NULL
) STRICT;

CREATE INDEX gaps_by_video ON gaps (video_id);

-- When packets or frames were lost, in seconds; the first of each file.
CREATE TABLE faults (
    video_id INTEGER NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    time     REAL NOT NULL
) STRICT;

CREATE INDEX faults_by_video ON faults (video_id);
