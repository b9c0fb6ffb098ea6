"""`python -m agebatch` is `agebatch`."""

from agebatch.cli import main

if __name__ == "__main__":
    main()
