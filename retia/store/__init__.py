"""Where the model is kept: the contract, etcd and memory behind it, and the sync that turns changes into deltas."""
