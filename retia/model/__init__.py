"""What the user wants (`kinds`) and what agents say of themselves (`state`): frozen, typed, no I/O."""
