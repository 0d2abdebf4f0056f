"""What a guest means: words in Spanish or English to dates, guests and wishes."""
