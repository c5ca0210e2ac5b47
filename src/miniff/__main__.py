"""``python -m miniff``."""

from miniff.cli import main

if __name__ == "__main__":
    main()
