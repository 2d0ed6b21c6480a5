"""`curate models profile`: speed and error of every profile on this machine's processor and the user's faces."""
