"""What a hotel sells, read and replaced as a whole."""
