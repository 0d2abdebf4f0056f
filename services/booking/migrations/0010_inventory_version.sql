-- Counts the imports that changed what a hotel sells, so that none overwrites another.
ALTER TABLE property ADD COLUMN inventory_version bigint NOT NULL DEFAULT 0;
