"""The page "Recommendations": what is live, the nights and their reports, anybody's list, and going back."""
