"""Making Open vSwitch agree with the flows the rules want: OpenFlow 1.5, OVSDB, one reconciler, warm tunnels."""
