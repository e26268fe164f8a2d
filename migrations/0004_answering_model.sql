-- Vectors of several models may lie side by side; queries are answered by one of them.
ALTER TABLE library ADD COLUMN model_id INTEGER REFERENCES models (id);

UPDATE library SET model_id =
    (SELECT model_id FROM vectors GROUP BY model_id ORDER BY count(*) DESC LIMIT 1);
