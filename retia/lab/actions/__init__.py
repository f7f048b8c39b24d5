"""What a step may do: send and hear (`traffic`), change what is declared (`change`), act on nodes (`node`)."""
