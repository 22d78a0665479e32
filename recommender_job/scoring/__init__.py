"""Every user's predicted rating of every eligible experience, and the best of them."""
