"""Two hotels to try the product with, and what they sell."""
