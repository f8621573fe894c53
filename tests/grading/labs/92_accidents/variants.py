"""No other right answers: what happens to the one is the matter here."""
