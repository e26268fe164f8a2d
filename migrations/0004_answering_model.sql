-- Vectors of several models may lie side by side; queries are answered by one of them.
ALTER TABLE library ADD COLUMN model_id INTEGER REFERENCES models (id);

-- Which views of frames another model's vectors are made of, while they are.
ALTER TABLE models ADD COLUMN views TEXT;

UPDATE library SET model_id =
    (SELECT model_id FROM vectors GROUP BY model_id ORDER BY count(*) DESC LIMIT 1);
