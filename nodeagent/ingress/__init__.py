"""HTTP from outside to services: Ingress objects made into the configuration of one haproxy on each ingress node."""
