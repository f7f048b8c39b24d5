"""A lab that is all in this process: software switches with the real agents, software guests, a store in memory."""
