-- Which request made a hotel, so that the same one again finds it instead of
-- failing. Hotels from before have none.
ALTER TABLE tenant ADD COLUMN create_request_id uuid;
