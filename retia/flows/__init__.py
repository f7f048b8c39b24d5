"""OpenFlow as values: one value, three views (ovs-ofctl text, OpenFlow wire, packet walk). Pure: no I/O."""
