"""Behaviour: one package per service. No service imports another."""
