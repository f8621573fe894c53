"""No wrong answers: what happens to right ones is the matter here."""
