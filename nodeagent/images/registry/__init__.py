"""The client's side of the wire: how a registry is asked, logged in to, and given images; and which one is the cluster's own."""
