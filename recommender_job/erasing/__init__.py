"""Erasing a user: from the lists, the refused rows, and every file that nights have left."""
