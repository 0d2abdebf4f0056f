-- How fast Meta lets a number send, and the version of its API that is sent with; '' is as the
-- installation says.
ALTER TABLE whatsapp_number
  ADD COLUMN throughput_tier text NOT NULL DEFAULT ''
    CONSTRAINT whatsapp_number_throughput_tier
    CHECK (throughput_tier IN ('', 'STANDARD', 'HIGH', 'COEXISTENCE')),
  ADD COLUMN graph_version text NOT NULL DEFAULT ''
    CONSTRAINT whatsapp_number_graph_version CHECK (graph_version ~ '^(v[0-9]{1,2}\.[0-9])?$');
