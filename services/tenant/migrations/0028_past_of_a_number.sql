-- Who had a number before is looked up for each number that is read.
CREATE INDEX past_number_of ON past_number (phone_number_id, until_time);
