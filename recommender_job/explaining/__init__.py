"""Why a list is what it is."""
