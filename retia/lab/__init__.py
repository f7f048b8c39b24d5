"""Networks to try things on: hosts and guests as namespaces, real Open vSwitch, real etcd, real agents."""
