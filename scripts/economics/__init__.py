"""What attacks on the inbox cost and reach: a model of it, attackers, and a table of both."""
