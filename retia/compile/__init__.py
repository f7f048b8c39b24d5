"""The rules of the network: from what is declared, and what this host sees, to the flows of its switch. Pure."""
