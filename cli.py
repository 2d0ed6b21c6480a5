"""The command line from a checkout: `python cli.py score ./gan_outputs` is `curate score ./gan_outputs`."""

from pathlib import Path

import curate

# The four folders beside this file are one package; an installed `curate` has them inside already.
curate.__path__.append(str(Path(__file__).resolve().parent))

from curate.app import main  # noqa: E402

if __name__ == "__main__":
    main()
