-- Words that belong to a video: tags of its container, and subtitles with their times in seconds.
CREATE TABLE texts (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    video_id INTEGER NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    -- 'tag', 'track' (subtitles inside the file) or 'file' (beside it)
    kind     TEXT NOT NULL,
    start    REAL,
    "end"    REAL,
    text     TEXT NOT NULL
) STRICT;

CREATE INDEX texts_by_video ON texts (video_id);

-- Words of the user's own. They belong to the path, and stay when its file is read again.
CREATE TABLE notes (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    path  ANY NOT NULL,
    -- Seconds; NULL for the whole video.
    time  REAL,
    text  TEXT NOT NULL
) STRICT;

CREATE INDEX notes_by_path ON notes (path);
