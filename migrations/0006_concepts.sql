-- What users taught by examples: a linear head on the vectors of one model.
CREATE TABLE concepts (
    name      TEXT NOT NULL,
    model_id  INTEGER NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    -- f32, little-endian; the log-odds that a picture shows it are its dot product with this, plus bias.
    weights   BLOB NOT NULL,
    bias      REAL NOT NULL,
    -- How many examples it was made from.
    positives INTEGER NOT NULL,
    negatives INTEGER NOT NULL,
    PRIMARY KEY (name, model_id)
) STRICT;
