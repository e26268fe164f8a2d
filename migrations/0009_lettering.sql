-- Lines of text that were read in the frames of moments.
CREATE TABLE lettering (
    id        INTEGER PRIMARY KEY,
    moment_id INTEGER NOT NULL REFERENCES moments (id) ON DELETE CASCADE,
    text      TEXT NOT NULL,
    -- The mean probability of its characters.
    score     REAL NOT NULL,
    -- Its box in display pixels.
    x         INTEGER NOT NULL,
    y         INTEGER NOT NULL,
    width     INTEGER NOT NULL,
    height    INTEGER NOT NULL
) STRICT;

CREATE INDEX lettering_by_moment ON lettering (moment_id);

-- Fingerprint of what read the lettering of a moment; NULL where nothing has yet.
ALTER TABLE moments ADD COLUMN ocr TEXT;

CREATE TRIGGER lettering_read AFTER UPDATE OF ocr ON moments BEGIN
    UPDATE library SET words_changes = words_changes + 1;
    INSERT OR REPLACE INTO words_changed SELECT NEW.video_id, words_changes FROM library;
END;
