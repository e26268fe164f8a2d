-- How the time of recording is known, and how a camera's clock is put right.

-- What the user says of a camera's clock.
CREATE TABLE cameras (
    name      TEXT PRIMARY KEY,
    -- Milliseconds, added to what it says.
    offset_ms INTEGER NOT NULL,
    -- Of times that tell none, as Europe/Berlin or +02:00; NULL: that each was read in.
    zone      TEXT
) STRICT;

-- The time of recording as the file told it; recorded_ms is that with its camera's clock put right.
ALTER TABLE videos ADD COLUMN read_ms INTEGER;
-- The same as the clock showed it, 2024-05-01T12:30:00, where that told no zone, and the zone it was read in.
ALTER TABLE videos ADD COLUMN clock TEXT;
ALTER TABLE videos ADD COLUMN clock_zone TEXT;
-- The time its container tells, as it is written there.
ALTER TABLE videos ADD COLUMN created TEXT;
-- Why the time may be wrong.
ALTER TABLE videos ADD COLUMN recorded_doubt TEXT;

UPDATE videos SET read_ms = recorded_ms;
UPDATE videos SET created = strftime('%Y-%m-%dT%H:%M:%fZ', recorded_ms / 1000.0, 'unixepoch')
    WHERE recorded_from = 'container';

CREATE INDEX videos_by_camera ON videos (camera);

DROP VIEW shown_videos;
CREATE VIEW shown_videos AS
    SELECT * FROM videos v
    WHERE indexed_at IS NOT NULL
       OR NOT EXISTS (SELECT 1 FROM videos w WHERE w.path = v.path AND w.indexed_at IS NOT NULL);
