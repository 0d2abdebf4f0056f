"""What operators have changed, read the same way in every service's database."""
