"""The tenant service without sockets."""
