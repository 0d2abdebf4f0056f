"""Templates that Meta has approved: the catalogue, its synchronisation, sends of them."""
