"""Network definitions, model packs and inference sessions."""
