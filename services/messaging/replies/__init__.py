"""What a guest reads: texts in Spanish and English, and menus within WhatsApp's limits."""
