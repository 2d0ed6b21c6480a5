"""What a picture was made from: the words that generators leave in their files, as columns.

`header` finds text in a file, `reading` tells whose it is, a file a format reads it, `found` brings what they find
to the types of the catalogue, and `scorer` is the scorer `generation`. All of it is other people's text, and some
of it is hostile: whatever stands there, nothing raises and nothing takes long.
"""
