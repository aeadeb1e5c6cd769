"""The product: the durable pipeline between carriers' links and the rules, and its command line."""
