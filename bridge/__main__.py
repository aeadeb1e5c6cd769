"""`python -m bridge` is `smppbridge`."""

from bridge.cli import main

main(prog_name="smppbridge")
