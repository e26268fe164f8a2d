-- What could not be read of files beside a video: its subtitles.
CREATE TABLE sidecars (
    video_id INTEGER NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    path     ANY NOT NULL,
    -- Why it gave nothing, or less than all.
    reason   TEXT NOT NULL
) STRICT;

CREATE INDEX sidecars_by_video ON sidecars (video_id);
