-- What libraries of format 7 know more.

-- Which history a generation is of. Each session that writes adds a token: a derived file that carries
-- another one for its generation is of another library, or of what was written after the copy that was
-- put back was made.
CREATE TABLE history (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The first generation it wrote.
    first INTEGER NOT NULL,
    token TEXT NOT NULL
) STRICT;

CREATE INDEX history_by_first ON history (first);

-- Ids of moments are never used twice: pictures of them lie in another file.
ALTER TABLE library ADD COLUMN last_moment INTEGER NOT NULL DEFAULT 0;
UPDATE library SET last_moment = (SELECT coalesce(max(id), 0) FROM moments);
-- Moments deleted so far; the file of pictures is pruned when there are more.
ALTER TABLE library ADD COLUMN deleted_moments INTEGER NOT NULL DEFAULT 0;
-- Vectors of each model deleted so far: they lie dead in the file derived of them.
ALTER TABLE models ADD COLUMN deleted_vectors INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER moments_deleted AFTER DELETE ON moments BEGIN
    UPDATE library SET deleted_moments = deleted_moments + 1;
END;
CREATE TRIGGER vectors_deleted AFTER DELETE ON vectors BEGIN
    UPDATE models SET deleted_vectors = deleted_vectors + 1 WHERE id = OLD.model_id;
END;

-- Videos whose words have changed, each with the number of its last change.
ALTER TABLE library ADD COLUMN words_changes INTEGER NOT NULL DEFAULT 0;
CREATE TABLE words_changed (
    video_id INTEGER PRIMARY KEY,
    change   INTEGER NOT NULL
) STRICT;
CREATE INDEX words_changed_by_change ON words_changed (change);

CREATE TRIGGER video_inserted AFTER INSERT ON videos BEGIN
    UPDATE library SET words_changes = words_changes + 1;
    INSERT OR REPLACE INTO words_changed SELECT NEW.id, words_changes FROM library;
END;
CREATE TRIGGER video_updated AFTER UPDATE OF path, camera, indexed_at ON videos BEGIN
    UPDATE library SET words_changes = words_changes + 1;
    INSERT OR REPLACE INTO words_changed SELECT NEW.id, words_changes FROM library;
END;
CREATE TRIGGER video_deleted AFTER DELETE ON videos BEGIN
    UPDATE library SET words_changes = words_changes + 1;
    INSERT OR REPLACE INTO words_changed SELECT OLD.id, words_changes FROM library;
    -- What was hidden behind it is shown now.
    INSERT OR REPLACE INTO words_changed
        SELECT v.id, words_changes FROM library, videos v WHERE v.path = OLD.path;
END;
CREATE TRIGGER note_inserted AFTER INSERT ON notes BEGIN
    UPDATE library SET words_changes = words_changes + 1;
    INSERT OR REPLACE INTO words_changed
        SELECT v.id, words_changes FROM library, videos v WHERE v.path = NEW.path;
END;
CREATE TRIGGER note_deleted AFTER DELETE ON notes BEGIN
    UPDATE library SET words_changes = words_changes + 1;
    INSERT OR REPLACE INTO words_changed
        SELECT v.id, words_changes FROM library, videos v WHERE v.path = OLD.path;
END;

-- How a file was read, and what of its frames was embedded: two things that were one sentence. `sampling`
-- holds the reading policy as JSON from now on (filled in by the program).
ALTER TABLE videos ADD COLUMN views TEXT NOT NULL DEFAULT 'center';
DROP VIEW shown_videos;
CREATE VIEW shown_videos AS
    SELECT * FROM videos v
    WHERE indexed_at IS NOT NULL
       OR NOT EXISTS (SELECT 1 FROM videos w WHERE w.path = v.path AND w.indexed_at IS NOT NULL);
