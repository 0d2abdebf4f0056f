-- Every change of the directory is told to all replicas as it commits. A trigger on the
-- version says it, so that no writer can forget to; sessions hear of it after the commit only.
CREATE FUNCTION tell_directory_version() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('directory', '');
  RETURN NULL;
END
$$;

CREATE TRIGGER directory_tell AFTER UPDATE ON directory
  FOR EACH STATEMENT EXECUTE FUNCTION tell_directory_version();
