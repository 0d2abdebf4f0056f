-- How far the changes of reservations have been heard, by whichever replica. What
-- concerns a conversation becomes an answered `effect` of it, in the same statement.
CREATE TABLE reservation_news (
    one     boolean NOT NULL DEFAULT true CONSTRAINT reservation_news_one CHECK (one),
    version bigint  NOT NULL,
    CONSTRAINT reservation_news_key PRIMARY KEY (one)
);
