"""`python -m retia`: the command line."""

from retia.cli.main import main

if __name__ == "__main__":
    main()
