-- What each model gave for its self-test's canaries on each kind of device, when it first wrote here.
CREATE TABLE canaries (
    model_id INTEGER NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    device   TEXT NOT NULL,
    -- Two pictures, then two sentences.
    position INTEGER NOT NULL,
    -- f16, little-endian, L2-normalised.
    vector   BLOB NOT NULL,
    PRIMARY KEY (model_id, device, position)
) STRICT;
