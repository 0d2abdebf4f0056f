"""Portfolios and business accounts: whose they are, and by which app their webhooks come."""
